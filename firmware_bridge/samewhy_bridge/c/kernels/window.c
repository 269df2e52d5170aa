#include "window.h"

samewhy_range samewhy_inside(int32_t start, int32_t kernel, int32_t dilation, int32_t size) {
  samewhy_range range = {0, kernel};
  int32_t last = start + (kernel - 1) * dilation;
  for (; start < 0 && range.count > 0; start += dilation, range.first++) range.count--;
  for (; last >= size && range.count > 0; last -= dilation) range.count--;
  return range;
}
