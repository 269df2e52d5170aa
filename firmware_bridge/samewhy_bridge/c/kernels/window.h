/* Which cells of an image lie under a window. */
#ifndef SAMEWHY_WINDOW_H
#define SAMEWHY_WINDOW_H

#include <stdint.h>

/* Along one axis: cells of the kernel from first to before last are inside the image. */
typedef struct {
  int32_t first, last;
} samewhy_range;

/* Of a window that begins at start, which may be before the image. */
static inline samewhy_range samewhy_inside(int32_t start, int32_t kernel, int32_t dilation, int32_t size) {
  samewhy_range range = {0, kernel};
  if (start < 0) range.first = (dilation - 1 - start) / dilation;
  if (start + (kernel - 1) * dilation >= size) range.last = (size - start + dilation - 1) / dilation;
  return range;
}

#endif
