/* Where the rows of an image lie while the output is written over it: those that are needed again are kept aside.

   Rows of the output are not longer than those of the input, so that the first i of them cover no more than the first i
   of the input; before a row is covered, it is copied. */
#ifndef SAMEWHY_ROWS_H
#define SAMEWHY_ROWS_H

#include <stdint.h>

#define SAMEWHY_ROWS 64 /* the most that a window has */

typedef struct {
  uint32_t bytes; /* of a row */
  uint16_t height;
  uint16_t kernel, stride, dilation, padding;
  uint16_t kept; /* rows at once, and room for as many; 0 where the output lies elsewhere */
} samewhy_rows_spec;

/* Rows under the windows of row i of the output; 0 stands for one outside. Of one row after the other. */
void samewhy_rows(const samewhy_rows_spec *spec, const int8_t *input, int32_t i, int8_t *room, const int8_t **rows);

#endif
