#include "samewhy_wire.h"

#include "samewhy_frames.h"

samewhy_frame samewhy_received;

/* A zero ends whatever was there and may begin a frame; the two bytes behind it tell. Text has no mark there, so neither
 * a lost zero nor a stray one confuses the dialects for longer than one of their sentences. */
static enum { TEXT, OPENED, CODE, FRAME } state = TEXT;
static uint8_t code;

static void frame_ends(void) {
  const samewhy_frame *frame = &samewhy_received;
  if (frame->length > SAMEWHY_FRAME_BYTES) {
    samewhy_refuse(SAMEWHY_TOO_LONG, SAMEWHY_NO_SEQUENCE, "a longer frame than there is room for");
  } else if (frame->crc != SAMEWHY_UNHARMED || frame->left || frame->length < SAMEWHY_HEAD_BYTES + SAMEWHY_CRC_BYTES) {
    samewhy_refuse(SAMEWHY_DAMAGED, SAMEWHY_NO_SEQUENCE, "a damaged frame");
  } else if (frame->bytes[0] != SAMEWHY_MARK) {
    samewhy_refuse(SAMEWHY_VERSION, SAMEWHY_NO_SEQUENCE, "another version of the protocol");
  } else {
    samewhy_answer(frame);
  }
}

static void opens(void) {
  samewhy_text_clear();
  samewhy_frame_clear(&samewhy_received);
  state = FRAME;
}

static void take(uint8_t byte) {
  if (byte == 0) {
    if (state == FRAME) frame_ends();
    state = OPENED;
  } else if (state == OPENED) {
    code = byte;
    state = CODE;
  } else if (state == CODE && (byte & 0xF0u) == (SAMEWHY_MARK & 0xF0u)) {
    opens();
    samewhy_frame_take(&samewhy_received, code);
    samewhy_frame_take(&samewhy_received, byte);
  } else if (state == FRAME) {
    samewhy_frame_take(&samewhy_received, byte);
  } else {
    if (state == CODE) samewhy_text_take(code);
    samewhy_text_take(byte);
    state = TEXT;
  }
}

void samewhy_wire_poll(void) {
  int byte = samewhy_port_get();
  if (byte < 0) {
    samewhy_port_idle();
  } else {
    take((uint8_t)byte);
  }
}
