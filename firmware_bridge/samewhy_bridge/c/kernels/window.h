/* Which cells of an image lie under a window. */
#ifndef SAMEWHY_WINDOW_H
#define SAMEWHY_WINDOW_H

#include <stdint.h>

/* Along one axis: the first cell of the window that is inside the image, and how many follow it, itself among them. */
typedef struct {
  int32_t first, count;
} samewhy_range;

/* Of a window that begins at start, which may be before the image; its cells are dilation apart. */
samewhy_range samewhy_inside(int32_t start, int32_t kernel, int32_t dilation, int32_t size);

#endif
