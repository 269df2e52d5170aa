#include <string.h>

#include "samewhy_frames.h"

/* What an answer is bound to: the model, and the question that was heard. Whoever asked computes the same from what it
 * meant to ask, so an answer to anything else is none. */
static uint32_t bound(const samewhy_frame *frame) {
  uint32_t check = samewhy_crc32(0, samewhy_model.sha256, sizeof samewhy_model.sha256);
  return samewhy_crc32(check, frame->bytes + 1, frame->length - 1 - SAMEWHY_CRC_BYTES);
}

static uint16_t sequence_of(const samewhy_frame *frame) {
  return (uint16_t)(frame->bytes[2] | frame->bytes[3] << 8);
}

static void begin(const samewhy_frame *frame) {
  samewhy_send_begin((uint8_t)(frame->bytes[1] | SAMEWHY_ANSWER), sequence_of(frame), bound(frame));
}

static void end(void) {
  samewhy_send_number(samewhy_send_check(), 4);
  samewhy_send_end();
}

static void info(const samewhy_frame *frame) {
  uint8_t about[SAMEWHY_ABOUT_BYTES];
  uint16_t length = samewhy_about(about);
  begin(frame);
  samewhy_send(about, length);
  end();
}

static void run(void) {
  uint32_t start = samewhy_port_ticks();
  samewhy_invoke();
  samewhy_send_number(samewhy_port_ticks() - start, 4);
  samewhy_send(samewhy_output(), SAMEWHY_OUTPUT_BYTES);
}

/* Each run begins with its input: the plan of the arena may have given its room to later tensors. */
static void query(const samewhy_frame *frame, uint32_t count) {
  const uint8_t *given = frame->bytes + SAMEWHY_HEAD_BYTES;
  begin(frame);
  for (uint32_t i = 0; i < count; i++, given += SAMEWHY_INPUT_BYTES) {
    memcpy(samewhy_input(), given, SAMEWHY_INPUT_BYTES);
    run();
  }
  end();
}

/* Hidden features make long runs of one byte. A head below 128 stands before head + 1 bytes; another before one byte,
 * which comes head - 126 times. How many bytes were made; 0 for what is cut or makes too many. */
static uint32_t unpacked(const uint8_t *from, uint32_t length, uint8_t *to) {
  uint32_t made = 0;
  while (length) {
    uint8_t head = *from++;
    uint32_t count = head < 128u ? head + 1u : head - 126u, taken = head < 128u ? count : 1u;
    if (taken > --length || count > SAMEWHY_INPUT_BYTES - made) return 0;
    if (head < 128u) {
      memcpy(to + made, from, count);
    } else {
      memset(to + made, *from, count);
    }
    made += count;
    from += taken;
    length -= taken;
  }
  return made;
}

static int packed(const samewhy_frame *frame, uint32_t length) {
  if (unpacked(frame->bytes + SAMEWHY_HEAD_BYTES, length, (uint8_t *)samewhy_input()) != SAMEWHY_INPUT_BYTES) return 0;
  begin(frame);
  run();
  end();
  return 1;
}

static void dump(const samewhy_frame *frame) {
  const uint8_t *body = frame->bytes + SAMEWHY_HEAD_BYTES;
  uint16_t row = (uint16_t)(body[0] | body[1] << 8);
  if (row >= samewhy_model.layers) {
    samewhy_refuse(SAMEWHY_NO_ROW, sequence_of(frame), "no such layer");
    return;
  }
  const samewhy_layer *layer = &samewhy_layers[row];
  memcpy(samewhy_input(), body + SAMEWHY_ROW_BYTES, SAMEWHY_INPUT_BYTES);
  samewhy_invoke_first((uint16_t)(layer->operator_index + 1u));
  begin(frame);
  samewhy_send_number(layer->operator_index, 2);
  samewhy_send_number(layer->tensor, 2);
  samewhy_send_number((uint32_t)layer->type, 1);
  samewhy_send(samewhy_arena_at(layer->offset), layer->bytes);
  end();
}

void samewhy_refuse(uint8_t code, uint16_t sequence, const char *why) {
  samewhy_send_begin(SAMEWHY_ERROR, sequence, 0);
  samewhy_send_number(code, 1);
  while (*why) samewhy_send(why++, 1);
  samewhy_send_end();
}

void samewhy_answer(const samewhy_frame *frame) {
  uint32_t length = frame->length - SAMEWHY_HEAD_BYTES - SAMEWHY_CRC_BYTES;
  switch (frame->bytes[1]) {
    case SAMEWHY_INFO:
      if (length) break;
      info(frame);
      return;
    case SAMEWHY_QUERY:
      if (length == 0 || length % SAMEWHY_INPUT_BYTES) break;
      query(frame, length / SAMEWHY_INPUT_BYTES);
      return;
    case SAMEWHY_DUMP:
      if (length != SAMEWHY_ROW_BYTES + SAMEWHY_INPUT_BYTES) break;
      dump(frame);
      return;
    case SAMEWHY_PACKED:
      if (!packed(frame, length)) break;
      return;
    default:
      samewhy_refuse(SAMEWHY_UNKNOWN, sequence_of(frame), "unknown kind of question");
      return;
  }
  samewhy_refuse(SAMEWHY_LENGTH, sequence_of(frame), "a body of the wrong length");
}
