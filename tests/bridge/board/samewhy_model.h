/* A model whose answer is a known function of every bit of its input: FNV-1a with a seed for each score. */
#ifndef SAMEWHY_MODEL_H
#define SAMEWHY_MODEL_H

#include "samewhy.h"

#define SAMEWHY_INPUT_BYTES 784u
#ifdef FLOATS /* the answer is the first of the input, as real numbers */
#define SAMEWHY_OUTPUT_BYTES 40u
#else
#define SAMEWHY_OUTPUT_BYTES 10u
#endif
#define SAMEWHY_ARENA_BYTES 1608u
#define SAMEWHY_FILE_BYTES 4321u

#endif
