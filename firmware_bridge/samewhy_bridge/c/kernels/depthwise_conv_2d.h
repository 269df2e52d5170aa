#ifndef SAMEWHY_DEPTHWISE_CONV_2D_H
#define SAMEWHY_DEPTHWISE_CONV_2D_H

#include <stdint.h>

#include "rows.h"
#include "sums.h"

typedef struct {
  const int8_t *weights; /* (kernel height, kernel width, output channels) */
  samewhy_sums_spec sums;
  samewhy_rows_spec rows;
  uint16_t input_width, input_channels;
  uint16_t output_height, output_width, output_channels;
  uint16_t kernel_width, stride_width, dilation_width, padding_left;
  int8_t input_zero_point;
} samewhy_depthwise_conv_2d_spec;

/* Scratch holds rows that are kept aside. */
void samewhy_depthwise_conv_2d(const samewhy_depthwise_conv_2d_spec *spec, const int8_t *input, int8_t *output,
                               int8_t *scratch);

#endif
