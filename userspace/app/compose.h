/* SPDX-License-Identifier: MIT */
/*
 * Objects in app-compose.json that are strict inside
 *
 * Copyright The dstack for Linux authors
 */
#ifndef APP_COMPOSE_H
#define APP_COMPOSE_H

#include "app.h"
#include "json.h"

/* @json: the whole document. */
int app_compose_requirements(const struct app_json *json,
			     struct app_compose *compose);
int app_compose_extension(const struct app_json *json,
			  struct app_compose *compose);

#endif /* APP_COMPOSE_H */
