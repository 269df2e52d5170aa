#ifndef SAMEWHY_CONV_2D_H
#define SAMEWHY_CONV_2D_H

#include "matmul.h"

typedef struct {
  samewhy_matmul_spec matmul; /* of one group */
  uint16_t input_height, input_width, input_channels;
  uint16_t output_height, output_width, output_channels;
  uint16_t kernel_height, kernel_width;
  uint16_t stride_height, stride_width;
  uint16_t dilation_height, dilation_width;
  uint16_t padding_top, padding_left;
  uint16_t groups;
  uint8_t direct; /* the cells under a window lie one behind the other, and all inside: nothing is gathered */
  int8_t input_zero_point;
} samewhy_conv_2d_spec;

/* Scratch holds the cells under one window, of one group; none is taken where they are read directly. */
void samewhy_conv_2d(const samewhy_conv_2d_spec *spec, const int8_t *input, int8_t *output, int8_t *scratch);

#endif
