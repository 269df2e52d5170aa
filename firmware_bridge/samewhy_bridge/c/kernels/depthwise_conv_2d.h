#ifndef SAMEWHY_DEPTHWISE_CONV_2D_H
#define SAMEWHY_DEPTHWISE_CONV_2D_H

#include <stdint.h>

#include "sums.h"

typedef struct {
  const int8_t *weights; /* (kernel height, kernel width, output channels) */
  samewhy_sums_spec sums;
  int32_t row_step;  /* from a cell of the window to the one below */
  int32_t step;     /* and to the next */
  uint16_t input_height, input_width, input_channels;
  uint16_t output_height, output_width, output_channels;
  uint16_t kernel_height, kernel_width;
  uint16_t stride_height, stride_width;
  uint16_t dilation_height, dilation_width;
  uint16_t padding_top, padding_left;
  int8_t input_zero_point;
} samewhy_depthwise_conv_2d_spec;

void samewhy_depthwise_conv_2d(const samewhy_depthwise_conv_2d_spec *spec, const int8_t *input, int8_t *output);

#endif
