/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "cli/chat.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

bool chat_box_open(struct chat_box *b)
{
    b->first = NULL;
    b->last = NULL;
    b->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return b->fd >= 0 && pthread_mutex_init(&b->lock, NULL) == 0;
}

void chat_item_free(struct chat_item *item)
{
    if (item == NULL) return;
    json_decref(item->doc);
    if (item->text != NULL) bytes_wipe(item->text, strlen(item->text));
    free(item->text);
    free(item);
}

void chat_box_close(struct chat_box *b)
{
    for (struct chat_item *i = chat_box_take(b), *next; i != NULL; i = next) {
        next = i->next;
        chat_item_free(i);
    }
    if (b->fd >= 0) close(b->fd);
    pthread_mutex_destroy(&b->lock);
}

static void put(struct chat_box *b, struct chat_item *item)
{
    const uint64_t one = 1;
    pthread_mutex_lock(&b->lock);
    if (b->last != NULL)
        b->last->next = item;
    else
        b->first = item;
    b->last = item;
    pthread_mutex_unlock(&b->lock);
    (void)!write(b->fd, &one, sizeof one);
}

void chat_box_put(struct chat_box *b, enum chat_news news, json_t *doc, const char *text)
{
    struct chat_item *item = calloc(1, sizeof *item);
    if (item == NULL) {
        json_decref(doc);
        return;
    }
    item->news = news;
    item->doc = doc;
    item->text = text == NULL ? NULL : strdup(text);
    put(b, item);
}

void chat_box_say(struct chat_box *b, enum cli_style style, const char *format, ...)
{
    char text[4096];
    struct chat_item *item = calloc(1, sizeof *item);
    if (item == NULL) return;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    item->news = NEWS_LINE;
    item->style = style;
    item->text = strdup(text);
    put(b, item);
}

struct chat_item *chat_box_take(struct chat_box *b)
{
    uint64_t many;
    pthread_mutex_lock(&b->lock);
    (void)!read(b->fd, &many, sizeof many);
    struct chat_item *all = b->first;
    b->first = NULL;
    b->last = NULL;
    pthread_mutex_unlock(&b->lock);
    return all;
}
