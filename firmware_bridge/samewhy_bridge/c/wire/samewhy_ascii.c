/* The ASCII dialect of MLPerf Tiny's device side, written from its description: commands end with %, every answer with
 * m-ready. It has no checksum, so ask in frames where you can.
 *
 * Bytes of `db` are the bytes of the input tensor. Unlike others, the input is loaded again before every run, also of
 * warm-ups: the arena may have given its room to later tensors. */
#include "samewhy_frames.h"

#if SAMEWHY_ASCII

#include <string.h>

#define COMMAND_CHARACTERS 80u
#define WARM_UPS 10u /* of `infer N`, as the dialect has it */

static struct {
  char words[COMMAND_CHARACTERS + 1];
  uint8_t length;
  uint8_t bad; /* too long, or with a byte that is no ASCII: not a command */
} command;

static struct {
  uint32_t wanted, loaded; /* bytes */
} buffer;

static uint8_t *const stored = samewhy_received.bytes;

static void say(const char *words) {
  while (*words) samewhy_port_put((uint8_t)*words++);
}

static void line(const char *words) {
  say(words);
  say("\r\n");
}

static void say_number(uint32_t value) {
  char digits[11];
  uint8_t at = sizeof digits - 1;
  digits[at] = 0;
  do {
    digits[--at] = (char)('0' + value % 10u);
    value /= 10u;
  } while (value);
  say(digits + at);
}

static void say_hex(uint8_t byte) {
  static const char digits[] = "0123456789abcdef";
  samewhy_port_put((uint8_t)digits[byte >> 4]);
  samewhy_port_put((uint8_t)digits[byte & 15u]);
}

#define MOST 0xFFFFFFFFu /* of thousandths; what is beyond is shown as that */

/* A float's bits times a whole number of less than 2^29, in thousandths, rounded half up; no floating point, which many
 * cores have to emulate. Source: IEEE 754, binary32. */
static uint32_t in_thousandths(uint32_t bits, uint32_t times) {
  int shift = (int)(bits >> 23 & 0xFFu);
  uint64_t value = bits & 0x7FFFFFu;
  if (shift) {
    value |= 0x800000u;
  } else {
    shift = 1;
  }
  value *= (uint64_t)1000u * times;
  shift -= 150;
  if (shift < -63) return 0;
  if (shift < 0) {
    value = (value + ((uint64_t)1 << (-shift - 1))) >> -shift;
  } else if (value && (shift > 32 || value >> (32 - shift))) {
    return MOST;
  } else {
    value <<= shift;
  }
  return value > MOST ? MOST : (uint32_t)value;
}

static void say_thousandths(uint32_t value) {
  say_number(value / 1000u);
  say(".");
  for (uint32_t unit = 100u; unit; unit /= 10u) samewhy_port_put((uint8_t)('0' + value / unit % 10u));
}

/* a * b / c without a division of 64 bits, which is a library of its own. */
static uint32_t scaled(uint32_t a, uint32_t b, uint32_t c) {
  uint64_t product = (uint64_t)a * b, rest = 0;
  uint32_t quotient = 0;
  for (int i = 0; i < 64; i++) {
    rest = rest << 1 | product >> 63;
    product <<= 1;
    quotient <<= 1;
    if (rest >= c) {
      rest -= c;
      quotient |= 1u;
    }
  }
  return quotient;
}

static uint32_t microseconds;

/* Often enough that the ticks do not wrap twice in between: before and after every run. */
static void look_at_clock(void) {
  static uint32_t last;
  uint32_t now = samewhy_port_ticks(), rate = samewhy_port_tick_rate();
  if (rate) microseconds += scaled(now - last, 1000000u, rate);
  last = now;
}

static void lap(void) {
  look_at_clock();
  say("m-lap-us-");
  say_number(microseconds); /* 0 where ticks are not time */
  line("");
}

static uint8_t width(samewhy_type type) {
  switch (type) {
    case SAMEWHY_INT16:
      return 2;
    case SAMEWHY_INT32:
    case SAMEWHY_FLOAT32:
      return 4;
    default:
      return 1;
  }
}

static int32_t code(const int8_t *at, samewhy_type type) {
  int16_t pair;
  int32_t whole;
  switch (type) {
    case SAMEWHY_INT32:
      memcpy(&whole, at, sizeof whole);
      return whole;
    case SAMEWHY_INT16:
      memcpy(&pair, at, sizeof pair);
      return pair;
    case SAMEWHY_UINT8:
      return (uint8_t)*at;
    default:
      return *at;
  }
}

static void say_real(uint32_t bits) {
  if ((bits & 0x7F800000u) == 0x7F800000u) {
    say("nan");
    return;
  }
  if (bits >> 31) say("-");
  say_thousandths(in_thousandths(bits & 0x7FFFFFFFu, 1u));
}

static void say_score(const int8_t *at, const samewhy_end *end) {
  uint32_t bits;
  if (end->type == SAMEWHY_FLOAT32) {
    memcpy(&bits, at, sizeof bits);
    say_real(bits);
    return;
  }
  int64_t steps = (int64_t)code(at, end->type) - end->zero_point;
  uint64_t size = (uint64_t)(steps < 0 ? -steps : steps);
  if (steps < 0) say("-");
  memcpy(&bits, &end->scale, sizeof bits);
  say_thousandths(size >> 29 ? MOST : in_thousandths(bits, (uint32_t)size));
}

static void results(void) {
  const samewhy_end *end = &samewhy_model.output;
  uint8_t step = width(end->type);
  say("m-results-[");
  for (uint32_t at = 0; at < SAMEWHY_OUTPUT_BYTES; at += step) {
    if (at) say(",");
    say_score(samewhy_output() + at, end);
  }
  line("]");
}

static void run(uint32_t times) {
  while (times--) {
    memcpy(samewhy_input(), stored, SAMEWHY_INPUT_BYTES);
    samewhy_invoke();
    look_at_clock();
  }
}

/* The next word behind `*at`, which moves behind it; empty where there is none. */
static char *word(char **at) {
  char *start = *at;
  while (*start == ' ') start++;
  char *behind = start;
  while (*behind && *behind != ' ') behind++;
  *at = *behind ? behind + 1 : behind;
  *behind = 0;
  return start;
}

static int same(const char *a, const char *b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

/* -1 for what is no number, or one of more than nine digits. */
static int32_t number(const char *digits) {
  int32_t value = 0;
  uint8_t count = 0;
  for (; *digits; digits++) {
    if (*digits < '0' || *digits > '9' || ++count > 9) return -1;
    value = 10 * value + (*digits - '0');
  }
  return count ? value : -1;
}

static void infer(char *rest) {
  char *first = word(&rest), *second = word(&rest);
  int32_t times = *first ? number(first) : 1, warm_ups = *second ? number(second) : (int32_t)WARM_UPS;
  if (times < 1 || warm_ups < 0) {
    line("e-[infer N W: expected numbers, N at least 1]");
  } else if (buffer.loaded != SAMEWHY_INPUT_BYTES) {
    line("e-[no input: db load N, then db HH.. until m-load-done]");
  } else {
    say("m-warmup-start-");
    say_number((uint32_t)warm_ups);
    line("");
    run((uint32_t)warm_ups);
    line("m-warmup-done");
    say("m-infer-start-");
    say_number((uint32_t)times);
    line("");
    lap();
    run((uint32_t)times);
    lap();
    line("m-infer-done");
    results();
  }
}

static void load(const char *count) {
  int32_t bytes = number(count);
  if (bytes != (int32_t)SAMEWHY_INPUT_BYTES) {
    say("e-[db load N: expected ");
    say_number(SAMEWHY_INPUT_BYTES);
    line(" bytes, those of the input]");
    return;
  }
  buffer.wanted = (uint32_t)bytes;
  buffer.loaded = 0;
  say("m-[Expecting ");
  say_number(buffer.wanted);
  line(" bytes]");
}

static void print(void) {
  for (uint32_t i = 0; i < buffer.loaded; i++) {
    say(i % 8u ? "-" : "m-buffer-");
    say_hex(stored[i]);
    if (i % 8u == 7u || i + 1u == buffer.loaded) line("");
  }
}

static int nibble(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  digit = (char)(digit | 0x20);
  return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* How many bytes the digits make; -1 for what are no pairs of digits. */
static int32_t pairs(const char *digits) {
  int32_t count = 0;
  for (; *digits; digits++, count++)
    if (nibble(*digits) < 0) return -1;
  return count % 2 ? -1 : count / 2;
}

static void fill(const char *digits) {
  int32_t count = pairs(digits);
  if (count < 0) {
    line("e-[db HH..: expected pairs of hexadecimal digits]");
    return;
  }
  if ((uint32_t)count > buffer.wanted - buffer.loaded) {
    line("e-[db HH..: more bytes than db load N announced]");
    return;
  }
  for (int32_t i = 0; i < count; i++, digits += 2)
    stored[buffer.loaded++] = (uint8_t)(nibble(digits[0]) << 4 | nibble(digits[1]));
  if (count && buffer.loaded == buffer.wanted) line("m-load-done");
}

static void db(char *rest) {
  char *first = word(&rest);
  if (!*first) {
    line("e-[db: expected load N, HH.. or print]");
  } else if (same(first, "load")) {
    load(word(&rest));
  } else if (same(first, "print")) {
    print();
  } else {
    fill(first);
  }
}

static void name(char *rest) {
  (void)rest;
  line("m-name-dut-[" SAMEWHY_MACHINE "]");
}

static void profile(char *rest) {
  (void)rest;
  line("m-profile-[" SAMEWHY_RUNTIME "]");
  say("m-model-[");
  say(samewhy_model.name);
  line("]");
}

static void timestamp(char *rest) {
  (void)rest;
  lap();
}

static void say_results(char *rest) {
  (void)rest;
  results();
}

static void help(char *rest);

static const struct {
  const char *name;
  void (*run)(char *rest);
  const char *told;
} commands[] = {
    {"name", name, ": the board"},
    {"profile", profile, ": the runtime and the model"},
    {"timestamp", timestamp, ": microseconds, 0 without a clock"},
    {"db", db, " load N: N bytes will come; db HH..: bytes; db print: those that came"},
    {"infer", infer, " N W=10: N runs after W others, then the results"},
    {"results", say_results, ": of the last run"},
    {"help", help, ": this"},
};

static void help(char *rest) {
  (void)rest;
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
    say(commands[i].name);
    line(commands[i].told);
  }
}

static void obey(char *words) {
  char *rest = words, *first = word(&rest);
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
    if (!same(first, commands[i].name)) continue;
    commands[i].run(rest);
    return;
  }
  say("e-[Unknown command: ");
  say(first);
  line("]");
}

static void command_ends(void) {
  command.words[command.length] = 0;
  if (command.bad) {
    line("e-[no command: longer than 80 characters, or not ASCII]");
  } else {
    obey(command.words);
  }
  command.length = command.bad = 0;
  line("m-ready");
}

void samewhy_text_take(uint8_t byte) {
  if (byte == '%') {
    command_ends();
  } else if (byte == '\r' || byte == '\n') {
    return;
  } else if (byte < 0x20u || byte > 0x7Eu || command.length == COMMAND_CHARACTERS) {
    command.bad = 1;
  } else {
    command.words[command.length++] = (char)byte;
  }
}

void samewhy_text_clear(void) {
  command.length = command.bad = 0;
  buffer.wanted = buffer.loaded = 0;
}

void samewhy_wire_start(void) {
  line("m-timestamp-mode-performance");
  lap();
  line("m-init-done");
  line("m-ready");
}

#else

void samewhy_text_take(uint8_t byte) { (void)byte; }
void samewhy_text_clear(void) {}
void samewhy_wire_start(void) {}

#endif
