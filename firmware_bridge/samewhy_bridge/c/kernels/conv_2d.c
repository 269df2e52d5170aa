#include "conv_2d.h"

#include <string.h>

/* The cells under a window that begins at x, of one group of channels. A cell outside counts as zero, which is what the
   zero point stands for. */
static void gather(const samewhy_conv_2d_spec *spec, const int8_t *const *rows, int32_t x, uint32_t channel,
                   int8_t *column) {
  uint32_t depth = spec->input_channels / spec->groups;
  for (uint32_t i = 0; i < spec->rows.kernel; i++) {
    int32_t at = x;
    for (uint32_t j = 0; j < spec->kernel_width; j++, at += spec->dilation_width, column += depth) {
      if (rows[i] && at >= 0 && at < spec->input_width) {
        memcpy(column, rows[i] + at * spec->input_channels + channel, depth);
      } else {
        memset(column, spec->input_zero_point, depth);
      }
    }
  }
}

/* All outputs of one place. */
static void place(const samewhy_conv_2d_spec *spec, const int8_t *const *rows, int32_t x, int8_t *column,
                  int8_t *output) {
  samewhy_matmul_spec group = spec->matmul;
  for (uint32_t i = 0; i < spec->groups; i++) {
    gather(spec, rows, x, i * (spec->input_channels / spec->groups), column);
    samewhy_matmul(&group, column, output + i * group.outputs);
    group.weights += group.inputs * group.outputs;
    group.sums.bias += group.outputs;
    group.sums.factors += group.outputs;
    group.sums.shifts += group.outputs;
  }
}

void samewhy_conv_2d(const samewhy_conv_2d_spec *spec, const int8_t *input, int8_t *output, int8_t *scratch) {
  const int8_t *rows[SAMEWHY_ROWS];
  int8_t *column = scratch + spec->rows.kept * spec->rows.bytes;
  for (int32_t i = 0; i < spec->output_height; i++) {
    int32_t x = -spec->padding_left;
    samewhy_rows(&spec->rows, input, i, scratch, rows);
    for (int32_t j = 0; j < spec->output_width; j++, x += spec->stride_width, output += spec->output_channels) {
      if (spec->direct) {
        samewhy_matmul(&spec->matmul, rows[0] + x * spec->input_channels, output);
      } else {
        place(spec, rows, x, column, output);
      }
    }
  }
}
