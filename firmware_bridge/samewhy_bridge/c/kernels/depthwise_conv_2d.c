#include "depthwise_conv_2d.h"

#include "window.h"

#define BLOCK SAMEWHY_BLOCK

/* The part of a window that is inside the image, from its first cell and the weights there on. */
typedef struct {
  const int8_t *cells, *weights;
  int32_t rows, columns; /* none of either where all of it is outside: then nothing is read */
} window;

static window window_at(const samewhy_depthwise_conv_2d_spec *spec, const int8_t *input, int32_t y, int32_t x) {
  samewhy_range rows = samewhy_inside(y, spec->kernel_height, spec->dilation_height, spec->input_height);
  samewhy_range columns = samewhy_inside(x, spec->kernel_width, spec->dilation_width, spec->input_width);
  window found = {input, spec->weights, rows.count, columns.count};
  found.cells += (y * spec->input_width + x) * spec->input_channels;
  found.cells += rows.first * spec->row_step + columns.first * spec->step;
  found.weights += (rows.first * spec->kernel_width + columns.first) * spec->output_channels;
  return found;
}

static void four_channels(const samewhy_depthwise_conv_2d_spec *spec, const window *at, int32_t channel,
                          int8_t *output) {
  const int8_t *cells = at->cells + channel, *weights = at->weights + channel;
  const int32_t *bias = spec->sums.bias + channel;
  int32_t first = bias[0], second = bias[1], third = bias[2], fourth = bias[3]; /* by name: each has a register */
  int32_t offset = -spec->input_zero_point, step = spec->step, weight_step = spec->output_channels;
  int32_t weight_row_step = spec->kernel_width * weight_step;
  for (int32_t rows = at->rows; rows > 0; rows--, cells += spec->row_step, weights += weight_row_step) {
    const int8_t *cell = cells, *weight = weights;
    for (int32_t left = at->columns; left > 0; left--, cell += step, weight += weight_step) {
      first += (cell[0] + offset) * weight[0];
      second += (cell[1] + offset) * weight[1];
      third += (cell[2] + offset) * weight[2];
      fourth += (cell[3] + offset) * weight[3];
    }
  }
  int32_t sums[BLOCK] = {first, second, third, fourth};
  samewhy_codes(&spec->sums, sums, (uint32_t)channel, BLOCK, output);
}

/* Of several output channels an input channel may have. */
static void one_channel(const samewhy_depthwise_conv_2d_spec *spec, const window *at, int32_t channel, int32_t from,
                        int8_t *output) {
  const int8_t *cells = at->cells + from, *weights = at->weights + channel;
  int32_t sum = spec->sums.bias[channel];
  for (int32_t i = 0; i < at->rows; i++) {
    for (int32_t j = 0; j < at->columns; j++) {
      int32_t cell = cells[i * spec->row_step + j * spec->step];
      sum += (cell - spec->input_zero_point) * weights[(i * spec->kernel_width + j) * spec->output_channels];
    }
  }
  samewhy_codes(&spec->sums, &sum, (uint32_t)channel, 1, output);
}

static void place(const samewhy_depthwise_conv_2d_spec *spec, const window *at, int8_t *output) {
  int32_t done = 0, each = spec->output_channels / spec->input_channels;
  if (each == 1) {
    for (; done + BLOCK <= spec->output_channels; done += BLOCK) four_channels(spec, at, done, output + done);
  }
  for (; done < spec->output_channels; done++) one_channel(spec, at, done, done / each, output + done);
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
