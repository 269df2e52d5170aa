#include "samewhy_frames.h"

#include <string.h>

/* CRC-16/GENIBUS without its last inversion: polynomial 1021, begins with FFFF, not reflected. Half a byte a step: sixteen
 * numbers instead of 256. */
uint16_t samewhy_crc16(uint16_t crc, uint8_t byte) {
  static const uint16_t table[16] = {0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
                                     0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef};
  crc = (uint16_t)((crc << 4) ^ table[(crc >> 12) ^ (byte >> 4)]);
  return (uint16_t)((crc << 4) ^ table[(crc >> 12) ^ (byte & 15u)]);
}

/* CRC-32/ISO-HDLC, as zlib has it: crc32(crc32(0, a), b) is that of a followed by b. */
uint32_t samewhy_crc32(uint32_t crc, const void *bytes, uint32_t count) {
  static const uint32_t table[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
                                     0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                     0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
  const uint8_t *byte = bytes;
  crc = ~crc;
  while (count--) {
    crc ^= *byte++;
    crc = (crc >> 4) ^ table[crc & 15u];
    crc = (crc >> 4) ^ table[crc & 15u];
  }
  return ~crc;
}

void samewhy_frame_clear(samewhy_frame *frame) {
  frame->length = 0;
  frame->crc = 0xFFFFu;
  frame->left = 0;
  frame->zero = 0;
}

static void keep(samewhy_frame *frame, uint8_t byte) {
  if (frame->length < SAMEWHY_FRAME_BYTES) frame->bytes[frame->length] = byte;
  frame->length++;
  frame->crc = samewhy_crc16(frame->crc, byte);
}

/* Source: Cheshire and Baker, Consistent Overhead Byte Stuffing, 1999. A code says how far the next zero is; FF that
 * there is none within 254 bytes. */
void samewhy_frame_take(samewhy_frame *frame, uint8_t byte) {
  if (frame->left) {
    frame->left--;
    keep(frame, byte);
    return;
  }
  if (frame->zero) keep(frame, 0);
  frame->left = (uint8_t)(byte - 1u);
  frame->zero = byte != 0xFFu;
}

static struct {
  uint8_t block[254];
  uint8_t held;
  uint16_t crc;
  uint32_t check;
} out;

static void put_block(uint8_t code) {
  samewhy_port_put(code);
  for (uint8_t i = 0; i < out.held; i++) samewhy_port_put(out.block[i]);
  out.held = 0;
}

static void stuff(uint8_t byte) {
  if (byte == 0) {
    put_block((uint8_t)(out.held + 1u));
    return;
  }
  out.block[out.held++] = byte;
  if (out.held == sizeof out.block) put_block(0xFFu);
}

static void send_byte(uint8_t byte) {
  out.crc = samewhy_crc16(out.crc, byte);
  stuff(byte);
}

void samewhy_send(const void *bytes, uint32_t count) {
  const uint8_t *byte = bytes;
  out.check = samewhy_crc32(out.check, bytes, count);
  while (count--) send_byte(*byte++);
}

void samewhy_send_number(uint32_t value, uint8_t bytes) {
  uint8_t little[4];
  for (uint8_t i = 0; i < bytes; i++) little[i] = (uint8_t)(value >> (8u * i));
  samewhy_send(little, bytes);
}

void samewhy_send_begin(uint8_t kind, uint16_t sequence, uint32_t check) {
  out.held = 0;
  out.crc = 0xFFFFu;
  samewhy_port_put(0);
  send_byte(SAMEWHY_MARK);
  send_byte(kind);
  send_byte((uint8_t)sequence);
  send_byte((uint8_t)(sequence >> 8));
  out.check = check;
}

uint32_t samewhy_send_check(void) { return out.check; }

void samewhy_send_end(void) {
  uint16_t crc = (uint16_t)~out.crc; /* inverted: else zeros behind a frame would go unnoticed */
  stuff((uint8_t)(crc >> 8));         /* the higher byte first: then all, itself included, leaves SAMEWHY_UNHARMED */
  stuff((uint8_t)crc);
  put_block((uint8_t)(out.held + 1u));
  samewhy_port_put(0);
}
