/* Our convolutions by CMSIS-NN: for weights in the file's own order, and a bias without the input's zero point. */
#include "arm_nnfunctions.h"
#include "conv_2d.h"
#include "depthwise_conv_2d.h"

#define CHANNELS 1024

static int32_t shifts[CHANNELS];
static int8_t buffer[1 << 18];

static cmsis_nn_per_channel_quant_params factors(const samewhy_sums_spec *sums, int32_t channels) {
  cmsis_nn_per_channel_quant_params found = {(int32_t *)sums->factors, shifts};
  for (int32_t i = 0; i < channels; i++) shifts[i] = sums->shifts[i];
  return found;
}

void samewhy_conv_2d(const samewhy_conv_2d_spec *spec, const int8_t *input, int8_t *output, int8_t *scratch) {
  const samewhy_sums_spec *sums = &spec->matmul.sums;
  cmsis_nn_context context = {buffer, sizeof buffer};
  cmsis_nn_conv_params params = {-spec->input_zero_point,
                                 sums->zero_point,
                                 {spec->stride_width, spec->rows.stride},
                                 {spec->padding_left, spec->rows.padding},
                                 {spec->dilation_width, spec->rows.dilation},
                                 {sums->low, sums->high}};
  cmsis_nn_per_channel_quant_params quantized = factors(sums, spec->output_channels);
  cmsis_nn_dims in = {1, spec->rows.height, spec->input_width, spec->input_channels};
  int32_t height = (int32_t)spec->matmul.inputs / (spec->kernel_width * spec->input_channels);
  cmsis_nn_dims filter = {spec->output_channels, height, spec->kernel_width, spec->input_channels};
  cmsis_nn_dims bias = {1, 1, 1, spec->output_channels};
  cmsis_nn_dims out = {1, spec->output_height, spec->output_width, spec->output_channels};
  (void)scratch;
  arm_convolve_wrapper_s8(&context, &params, &quantized, &in, input, &filter, spec->matmul.weights, &bias, sums->bias,
                          &out, output);
}

void samewhy_depthwise_conv_2d(const samewhy_depthwise_conv_2d_spec *spec, const int8_t *input, int8_t *output,
                               int8_t *scratch) {
  const samewhy_sums_spec *sums = &spec->sums;
  cmsis_nn_context context = {buffer, sizeof buffer};
  cmsis_nn_dw_conv_params params = {-spec->input_zero_point,
                                    sums->zero_point,
                                    spec->output_channels / spec->input_channels,
                                    {spec->stride_width, spec->rows.stride},
                                    {spec->padding_left, spec->rows.padding},
                                    {spec->dilation_width, spec->rows.dilation},
                                    {sums->low, sums->high}};
  cmsis_nn_per_channel_quant_params quantized = factors(sums, spec->output_channels);
  cmsis_nn_dims in = {1, spec->rows.height, spec->input_width, spec->input_channels};
  cmsis_nn_dims filter = {1, spec->rows.kernel, spec->kernel_width, spec->output_channels};
  cmsis_nn_dims bias = {1, 1, 1, spec->output_channels};
  cmsis_nn_dims out = {1, spec->output_height, spec->output_width, spec->output_channels};
  (void)scratch;
  arm_depthwise_conv_wrapper_s8(&context, &params, &quantized, &in, input, &filter, spec->weights, &bias, sums->bias,
                                &out, output);
}
