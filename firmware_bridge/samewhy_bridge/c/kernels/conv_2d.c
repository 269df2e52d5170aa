#include "conv_2d.h"

#include <string.h>

/* A cell outside counts as zero, which is what the zero point stands for. */
static int8_t *gather_row(const samewhy_conv_2d_spec *spec, const int8_t *input, int32_t y, int32_t x, int8_t *to) {
  uint32_t depth = spec->input_channels / spec->groups;
  int inside = y >= 0 && y < spec->input_height;
  const int8_t *row = inside ? input + y * spec->input_width * spec->input_channels : input;
  for (uint32_t i = 0; i < spec->kernel_width; i++, x += spec->dilation_width, to += depth) {
    if (inside && x >= 0 && x < spec->input_width) {
      memcpy(to, row + x * spec->input_channels, depth);
    } else {
      memset(to, spec->input_zero_point, depth);
    }
  }
  return to;
}

static void gather(const samewhy_conv_2d_spec *spec, const int8_t *input, int32_t y, int32_t x, int8_t *scratch) {
  for (uint32_t i = 0; i < spec->kernel_height; i++, y += spec->dilation_height) {
    scratch = gather_row(spec, input, y, x, scratch);
  }
}

/* All outputs of one place, whose window begins at (y, x). */
static void place(const samewhy_conv_2d_spec *spec, const int8_t *input, int32_t y, int32_t x, int8_t *output,
                  int8_t *scratch) {
  samewhy_matmul_spec group = spec->matmul;
  for (uint32_t i = 0; i < spec->groups; i++) {
    gather(spec, input + i * (spec->input_channels / spec->groups), y, x, scratch);
    samewhy_matmul(&group, scratch, output + i * group.outputs);
    group.weights += group.inputs * group.outputs;
    group.sums.bias += group.outputs;
    group.sums.factors += group.outputs;
    group.sums.shifts += group.outputs;
  }
}

void samewhy_conv_2d(const samewhy_conv_2d_spec *spec, const int8_t *input, int8_t *output, int8_t *scratch) {
  for (int32_t i = 0; i < spec->output_height; i++) {
    int32_t y = i * spec->stride_height - spec->padding_top;
    for (int32_t j = 0; j < spec->output_width; j++, output += spec->output_channels) {
      int32_t x = j * spec->stride_width - spec->padding_left;
      if (spec->direct) {
        samewhy_matmul(&spec->matmul, input + (y * spec->input_width + x) * spec->input_channels, output);
      } else {
        place(spec, input, y, x, output, scratch);
      }
    }
  }
}
