/* Frames: 00, COBS(payload, CRC-16), 00. A payload is a mark with the version, a kind, a sequence number, a body. */
#ifndef SAMEWHY_FRAMES_H
#define SAMEWHY_FRAMES_H

#include "samewhy_wire.h"

#define SAMEWHY_MARK (0xB0u | SAMEWHY_PROTOCOL) /* never a byte of ASCII: tells a frame from text behind a stray 00 */
#define SAMEWHY_HEAD_BYTES 4u
#define SAMEWHY_CRC_BYTES 2u
#define SAMEWHY_ROW_BYTES 2u /* before the input of a question for a layer */
#define SAMEWHY_NO_SEQUENCE 0xFFFFu
#define SAMEWHY_UNHARMED 0x1D0Fu

enum { SAMEWHY_INFO = 1, SAMEWHY_QUERY = 2, SAMEWHY_DUMP = 3, SAMEWHY_PACKED = 4, SAMEWHY_ANSWER = 0x80, SAMEWHY_ERROR = 0xFF };
enum {
  SAMEWHY_DAMAGED = 1,
  SAMEWHY_TOO_LONG = 2,
  SAMEWHY_VERSION = 3,
  SAMEWHY_UNKNOWN = 4,
  SAMEWHY_LENGTH = 5,
  SAMEWHY_NO_ROW = 6
};

#define SAMEWHY_BODY_BYTES (SAMEWHY_BATCH * SAMEWHY_INPUT_BYTES + SAMEWHY_ROW_BYTES)
#define SAMEWHY_FRAME_BYTES (SAMEWHY_HEAD_BYTES + SAMEWHY_BODY_BYTES + SAMEWHY_CRC_BYTES)

/* What has come so far of a frame, decoded. */
typedef struct {
  uint8_t bytes[SAMEWHY_FRAME_BYTES];
  uint32_t length; /* goes on counting where `bytes` is full */
  uint16_t crc;    /* SAMEWHY_UNHARMED when a whole frame, its CRC included, has come as it was sent */
  uint8_t left;    /* bytes until the next code of COBS */
  uint8_t zero;    /* whether a zero stands between this block and the next */
} samewhy_frame;

void samewhy_frame_clear(samewhy_frame *frame);
void samewhy_frame_take(samewhy_frame *frame, uint8_t byte); /* any but 0 */

uint16_t samewhy_crc16(uint16_t crc, uint8_t byte);
uint32_t samewhy_crc32(uint32_t crc, const void *bytes, uint32_t count);

/* Sending: one frame at a time. `check` goes on with every byte that is sent. */
void samewhy_send_begin(uint8_t kind, uint16_t sequence, uint32_t check);
void samewhy_send(const void *bytes, uint32_t count);
void samewhy_send_number(uint32_t value, uint8_t bytes); /* the lowest byte first */
uint32_t samewhy_send_check(void);
void samewhy_send_end(void);

/* The parts behind the wire. */
void samewhy_answer(const samewhy_frame *frame);                                 /* an unharmed frame of a known version */
void samewhy_refuse(uint8_t code, uint16_t sequence, const char *why);
void samewhy_text_take(uint8_t byte);
void samewhy_text_clear(void);

/* The bodies of frames, and what `db` loads: the dialects share the room, so each forgets what the other left. */
extern samewhy_frame samewhy_received;

#endif
