#pragma once
#include <stddef.h>
#include <stdint.h>

#include "freertos/FreeRTOS.h"
typedef int esp_err_t;
typedef int uart_port_t;
typedef void *QueueHandle_t;
esp_err_t uart_driver_install(uart_port_t line, int rx, int tx, int queue_size, QueueHandle_t *queue, int flags);
int uart_read_bytes(uart_port_t line, void *buffer, uint32_t length, TickType_t wait);
int uart_write_bytes(uart_port_t line, const void *bytes, size_t size);
