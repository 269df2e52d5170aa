/* This machine as a board, for tests: SAMEWHY_PORT=N listens on 127.0.0.1:N (0 takes any that is free) and says where;
 * without it bytes come and go by standard input and output. */
#define _POSIX_C_SOURCE 200809L

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "samewhy_port.h"

static int listener = -1, in = 0, out = 1;
static uint8_t got[4096], given[4096];
static size_t got_count, got_read, given_count;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void hear(int port) {
  struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  socklen_t size = sizeof where;
  int yes = 1;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  listener = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(listener, (struct sockaddr *)&where, sizeof where) || listen(listener, 1)) fail("samewhy port");
  getsockname(listener, (struct sockaddr *)&where, &size);
  printf("tcp:127.0.0.1:%d\n", ntohs(where.sin_port));
  fflush(stdout);
  in = out = -1;
}

void samewhy_port_init(void) {
  const char *port = getenv("SAMEWHY_PORT");
  signal(SIGPIPE, SIG_IGN);
  if (port) hear(atoi(port));
}

static void send_all(void) {
  for (size_t sent = 0; sent < given_count && out >= 0;) {
    ssize_t count = write(out, given + sent, given_count - sent);
    if (count <= 0) break; /* nobody listens: as on a board, the bytes are gone */
    sent += (size_t)count;
  }
  given_count = 0;
}

static void leave(void) {
  if (listener < 0) exit(0); /* the end of standard input */
  close(in);
  in = out = -1;
}

static void meet(void) {
  int yes = 1;
  in = out = accept(listener, 0, 0);
  if (in >= 0) setsockopt(in, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

int samewhy_port_get(void) {
  return got_read < got_count ? got[got_read++] : -1;
}

void samewhy_port_put(uint8_t byte) {
  given[given_count++] = byte;
  if (given_count == sizeof given) send_all();
}

void samewhy_port_idle(void) {
  send_all();
  if (in < 0) {
    meet();
    return;
  }
  ssize_t count = read(in, got, sizeof got);
  got_read = 0;
  got_count = count > 0 ? (size_t)count : 0;
  if (count <= 0) leave();
}

uint32_t samewhy_port_ticks(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint32_t)((uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u);
}

uint32_t samewhy_port_tick_rate(void) { return 1000000u; }
