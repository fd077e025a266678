/* SPDX-License-Identifier: MIT */
/*
 * What the subcommands of dstackctl contract share
 *
 * Copyright The dstack for Linux authors
 */
#ifndef DSTACKCTL_CONTRACT_H
#define DSTACKCTL_CONTRACT_H

#include <jansson.h>

#include "dstackctl.h"

#include "../contract/contract.h"
#include "../contract/state.h"

/* Of addresses and hashes, with "0x". */
#define HEX_TEXT	(2 * 32 + 3)

/* What the command line says; each command takes some of it. */
struct contract_options {
	struct chain_client client;
	const char *urls[CHAIN_SERVERS_MAX];
	uint8_t kms[CHAIN_ADDRESS], app[CHAIN_ADDRESS];
	uint8_t owner[CHAIN_ADDRESS], from[CHAIN_ADDRESS];
	uint8_t root[32], device[32], compose_hash[32];
	const char *key, *pins, *build, *boot;
	uint64_t max_fee, max_age, wait;
	bool has_kms, has_app, has_owner, has_from, has_root;
	bool has_chain, yes_chain, has_age, json, dry_run, ask, as_kms;
	bool any_device, require_tcb, no_upgrades, help;
};

/* Options that every command takes: servers, how they are asked, --json. */
#define CONTRACT_ASKS	"rcqCmpjh"
/* And those of who reads, and of who sends. */
#define CONTRACT_READS	CONTRACT_ASKS "tkA"
#define CONTRACT_SENDS	CONTRACT_ASKS "kKFdfw"

/*
 * @allowed: letters of this command's options.  What is left in @argv begins at
 * optind.  False after a message.
 */
bool contract_options(int argc, char **argv, const char *allowed,
		      struct contract_options *options);

/* Whether it is made for tests, on one machine. */
bool contract_is_test_chain(uint64_t id);

/* One run of a command, for contract_close(). */
struct contract_session {
	struct contract_options *options;
	struct contract_pins pins;
	struct contract_sender sender;
	void *key;
	struct chain_view view;
	struct chain_source source;
};

/* Knows the chain, the pins and, if one is needed, the key. */
int contract_open(struct contract_session *session,
		  struct contract_options *options, bool sends);
void contract_close(struct contract_session *session);
/* Sees the block by which everything is proven. */
int contract_look(struct contract_session *session);
/* Prints why, and returns @err. */
int contract_error(int err, const struct chain_why *why);

/* contract_text.c */

/* "0x" and hex; returns @text. */
char *contract_hex(const uint8_t *data, size_t len, char text[HEX_TEXT]);
json_t *contract_hex_json(const uint8_t *data, size_t len);
/* Members of an object. */
void contract_put_hex(json_t *object, const char *name, const uint8_t *data,
		      size_t len);
void contract_put_number(json_t *object, const char *name, uint64_t value);
void contract_put_text(json_t *object, const char *name, const char *text);
/* Any number of bytes; for free(), or NULL. */
char *contract_data_text(const uint8_t *data, size_t len);
/* "2026-11-27 16:20:00 UTC"; returns @text. */
#define TIME_TEXT	32
char *contract_time(uint64_t at, char text[TIME_TEXT]);
/* What is called: function, arguments, data, and who may send it. */
json_t *contract_call_json(const struct contract_call *call,
			   const uint8_t to[CHAIN_ADDRESS]);
void contract_call_print(const struct contract_call *call,
			 const uint8_t to[CHAIN_ADDRESS], const char *indent);

/* contract_call.c: commands that are one transaction */

/* Whether it is one of them: "allow", "pin"... */
bool contract_is_call(const char *name);
int contract_call_command(int argc, char **argv);
/* "allow device 0x...", the command that sends it; returns @text. */
#define COMMAND_TEXT	(2 * CONTRACT_TEXT)
char *contract_command_of(const struct contract_call *call,
			  char text[COMMAND_TEXT]);
/*
 * Sends it, or with --dry-run only tells of it, and of what the contract says
 * to it if the sender is known.  Returns an exit status.
 */
int contract_run(struct contract_session *session,
		 const struct contract_call *call,
		 const uint8_t to[CHAIN_ADDRESS],
		 const struct contract_check *check);

/* Each its own file. */
int contract_deploy(int argc, char **argv);
int contract_app_deploy(int argc, char **argv);
int contract_status(int argc, char **argv);
int contract_why_command(int argc, char **argv);

#endif /* DSTACKCTL_CONTRACT_H */
