#include "depthwise_conv_2d.h"

#include "fixed_point.h"
#include "window.h"

#define BLOCK 4

/* The part of a window that is inside the image, from its first cell and the weights there on. */
typedef struct {
  const int8_t *cells, *weights;
  int32_t rows, columns;
} window;

static window window_at(const samewhy_depthwise_conv_2d_spec *spec, const int8_t *input, int32_t y, int32_t x) {
  samewhy_range rows = samewhy_inside(y, spec->kernel_height, spec->dilation_height, spec->input_height);
  samewhy_range columns = samewhy_inside(x, spec->kernel_width, spec->dilation_width, spec->input_width);
  int32_t first_row = y + rows.first * spec->dilation_height, first_column = x + columns.first * spec->dilation_width;
  window found = {input, spec->weights, rows.last - rows.first, columns.last - columns.first};
  if (found.rows <= 0 || found.columns <= 0) {
    found.rows = 0; /* all of it is outside */
    return found;
  }
  found.cells += (first_row * spec->input_width + first_column) * spec->input_channels;
  found.weights += (rows.first * spec->kernel_width + columns.first) * spec->output_channels;
  return found;
}

static int8_t finished(const samewhy_depthwise_conv_2d_spec *spec, int32_t sum, int32_t channel) {
  int32_t value = samewhy_scaled(sum, spec->factors[channel], spec->shifts[channel]) + spec->zero_point;
  return (int8_t)samewhy_clamped(value, spec->low, spec->high);
}

static void four_channels(const samewhy_depthwise_conv_2d_spec *spec, const window *at, int32_t channel,
                          int8_t *output) {
  int32_t step = spec->dilation_width * spec->input_channels, weight_step = spec->output_channels;
  int32_t offset = -spec->input_zero_point;
  int32_t sums[BLOCK];
  for (int i = 0; i < BLOCK; i++) sums[i] = spec->bias[channel + i];
  for (int32_t row = 0; row < at->rows; row++) {
    const int8_t *cell = at->cells + row * spec->dilation_height * spec->input_width * spec->input_channels + channel;
    const int8_t *weight = at->weights + row * spec->kernel_width * weight_step + channel;
    for (int32_t left = at->columns; left > 0; left--, cell += step, weight += weight_step) {
      for (int i = 0; i < BLOCK; i++) sums[i] += (cell[i] + offset) * weight[i];
    }
  }
  for (int i = 0; i < BLOCK; i++) output[i] = finished(spec, sums[i], channel + i);
}

/* Of several output channels an input channel may have. */
static int8_t one_channel(const samewhy_depthwise_conv_2d_spec *spec, const window *at, int32_t channel, int32_t from) {
  int32_t step = spec->dilation_width * spec->input_channels, weight_step = spec->output_channels;
  int32_t sum = spec->bias[channel];
  for (int32_t row = 0; row < at->rows; row++) {
    const int8_t *cell = at->cells + row * spec->dilation_height * spec->input_width * spec->input_channels + from;
    const int8_t *weight = at->weights + row * spec->kernel_width * weight_step + channel;
    for (int32_t left = at->columns; left > 0; left--, cell += step, weight += weight_step) {
      sum += (*cell - spec->input_zero_point) * *weight;
    }
  }
  return finished(spec, sum, channel);
}

static void place(const samewhy_depthwise_conv_2d_spec *spec, const window *at, int8_t *output) {
  int32_t done = 0, each = spec->output_channels / spec->input_channels;
  if (each == 1) {
    for (; done + BLOCK <= spec->output_channels; done += BLOCK) four_channels(spec, at, done, output + done);
  }
  for (; done < spec->output_channels; done++) output[done] = one_channel(spec, at, done, done / each);
}

void samewhy_depthwise_conv_2d(const samewhy_depthwise_conv_2d_spec *spec, const int8_t *input, int8_t *output) {
  for (int32_t i = 0; i < spec->output_height; i++) {
    for (int32_t j = 0; j < spec->output_width; j++, output += spec->output_channels) {
      int32_t y = i * spec->stride_height - spec->padding_top, x = j * spec->stride_width - spec->padding_left;
      window at = window_at(spec, input, y, x);
      place(spec, &at, output);
    }
  }
}
