#include "depthwise_conv_2d.h"

#include "window.h"

#define BLOCK SAMEWHY_BLOCK

/* The part of a window that is inside the image. */
typedef struct {
  const int8_t *const *rows;
  const int8_t *weights; /* of the first column */
  int32_t cell;          /* bytes from the beginning of a row to the first column */
  int32_t columns;
} window;

static void four_channels(const samewhy_depthwise_conv_2d_spec *spec, const window *at, int32_t channel,
                          int8_t *output) {
  const int8_t *weights = at->weights + channel;
  const int32_t *bias = spec->sums.bias + channel;
  int32_t first = bias[0], second = bias[1], third = bias[2], fourth = bias[3]; /* by name: each has a register */
  int32_t offset = -spec->input_zero_point, weight_step = spec->output_channels;
  int32_t step = spec->dilation_width * spec->input_channels;
  for (int32_t i = 0; i < spec->rows.kernel; i++, weights += spec->kernel_width * weight_step) {
    if (!at->rows[i]) continue;
    const int8_t *cell = at->rows[i] + at->cell + channel, *weight = weights;
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
  int32_t step = spec->dilation_width * spec->input_channels;
  int32_t sum = spec->sums.bias[channel];
  for (int32_t i = 0; i < spec->rows.kernel; i++) {
    const int8_t *weights = at->weights + i * spec->kernel_width * spec->output_channels + channel;
    for (int32_t j = 0; at->rows[i] && j < at->columns; j++) {
      sum += (at->rows[i][at->cell + from + j * step] - spec->input_zero_point) * weights[j * spec->output_channels];
    }
  }
  samewhy_codes(&spec->sums, &sum, (uint32_t)channel, 1, output);
}

static void place(const samewhy_depthwise_conv_2d_spec *spec, const int8_t *const *rows, int32_t x, int8_t *output) {
  samewhy_range inside = samewhy_inside(x, spec->kernel_width, spec->dilation_width, spec->input_width);
  int32_t column = x + inside.first * spec->dilation_width;
  window at = {rows, spec->weights + inside.first * spec->output_channels, column * spec->input_channels, inside.count};
  int32_t done = 0, each = spec->output_channels / spec->input_channels;
  if (each == 1) {
    for (; done + BLOCK <= spec->output_channels; done += BLOCK) four_channels(spec, &at, done, output + done);
  }
  for (; done < spec->output_channels; done++) one_channel(spec, &at, done, done / each, output + done);
}

void samewhy_depthwise_conv_2d(const samewhy_depthwise_conv_2d_spec *spec, const int8_t *input, int8_t *output,
                               int8_t *scratch) {
  const int8_t *rows[SAMEWHY_ROWS];
  for (int32_t i = 0; i < spec->output_height; i++) {
    samewhy_rows(&spec->rows, input, i, scratch, rows);
    for (int32_t j = 0; j < spec->output_width; j++, output += spec->output_channels) {
      place(spec, rows, j * spec->stride_width - spec->padding_left, output);
    }
  }
}
