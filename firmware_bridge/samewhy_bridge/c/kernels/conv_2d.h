#ifndef SAMEWHY_CONV_2D_H
#define SAMEWHY_CONV_2D_H

#include "matmul.h"
#include "rows.h"

typedef struct {
  samewhy_matmul_spec matmul; /* of one group */
  samewhy_rows_spec rows;
  uint16_t input_width, input_channels;
  uint16_t output_height, output_width, output_channels;
  uint16_t kernel_width, stride_width, dilation_width, padding_left;
  uint16_t groups;
  uint8_t direct; /* the cells under a window lie one behind the other, and all inside: nothing is gathered */
  int8_t input_zero_point;
} samewhy_conv_2d_spec;

/* Scratch holds rows that are kept aside, then the cells under one window, of one group, where they are gathered. */
void samewhy_conv_2d(const samewhy_conv_2d_spec *spec, const int8_t *input, int8_t *output, int8_t *scratch);

#endif
