// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) The dstack for Linux authors
 *
 * Claims about reports, quotes and the service that hands them out.
 */
#include "unit.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "verify.h"

#define BUFFER		0x10000
#define BUFFER_SIZE	0x4000
#define QUOTE		(BUFFER + sizeof(struct tdx_quote_buf))

static const uint8_t report_data[TDX_REPORT_DATA] = "report data";

static struct tdx_quote_buf head(void)
{
	struct tdx_quote_buf buf;

	memcpy(&buf, guest_memory + BUFFER, sizeof(buf));
	return buf;
}

static void put_head(uint64_t version, uint32_t in_len)
{
	struct tdx_quote_buf buf = { .version = version, .in_len = in_len };

	memcpy(guest_memory + BUFFER, &buf, sizeof(buf));
}

static uint64_t get_quote(struct td *td, uint64_t gpa, uint64_t size)
{
	uint64_t regs[REG_COUNT] = {
		[R11] = TDVMCALL_GET_QUOTE, [R12] = gpa, [R13] = size,
	};

	CHECK(call(td, regs) == TDX_SUCCESS);
	return regs[R10];
}

/* A TD that shares the buffer, with a genuine report in it. */
static void make_request(struct td *td, const char *arguments)
{
	struct tdx_report report;

	make_td(td, arguments, true);
	CHECK(td_map_gpa(td, BUFFER | SHARED, BUFFER_SIZE) == 0);
	report_build(td, report_data, &report);
	put_head(GET_QUOTE_VERSION, sizeof(report));
	memcpy(guest_memory + QUOTE, &report, sizeof(report));
}

static uint64_t ask(struct td *td)
{
	CHECK(get_quote(td, BUFFER | SHARED, BUFFER_SIZE) == TDVMCALL_SUCCESS);
	return head().status;
}

static bool good(size_t size)
{
	return !verify_quote(guest_memory + QUOTE, size, test_pki);
}

static bool quote_is_good(void)
{
	return good(head().out_len);
}

static void any_changed_bit_of_a_report_is_noticed(void)
{
	uint8_t bytes[sizeof(struct tdx_report)];
	struct tdx_report report;
	struct td td;
	size_t i;

	make_td(&td, "", false);
	report_build(&td, report_data, &report);
	CHECK(report_is_genuine(&td, &report));
	for (i = 0; i < sizeof(bytes); i++) {
		/* Reserved bytes between the hashed parts mean nothing. */
		if (i >= 495 && i < 512)
			continue;
		memcpy(bytes, &report, sizeof(bytes));
		bytes[i] ^= 1;
		CHECK(!report_is_genuine(&td, (struct tdx_report *)bytes));
	}
	td_exit(&td);
}

static void reports_of_another_run_are_not_genuine(void)
{
	struct tdx_report report;
	struct td one, two;

	make_td(&one, "", false);
	make_td(&two, "", false);
	report_build(&one, report_data, &report);
	CHECK(!report_is_genuine(&two, &report));
	td_exit(&one);
	td_exit(&two);
}

static void quote_verifies_and_repeats_the_report(void)
{
	struct td td;

	make_request(&td, "");
	CHECK(ask(&td) == GET_QUOTE_SUCCESS);
	CHECK(quote_is_good());
	CHECK(!memcmp(guest_memory + QUOTE + 48 + 520, report_data, 64));
	CHECK(!memcmp(guest_memory + QUOTE + 48 + 136, td.config.mrtd, 48));
	CHECK(!memcmp(guest_memory + QUOTE + 48 + 328, td.rtmr, 4 * 48));
	td_exit(&td);
}

/* PEM readers skip line ends and text around certificates. */
static bool outside_the_chain(const uint8_t *quote, size_t size, size_t i)
{
	const uint8_t *pem = memmem(quote, size, "-----BEGIN", 10);

	return pem && i < (size_t)(pem - quote);
}

static void any_changed_bit_of_a_quote_is_noticed(void)
{
	uint8_t *quote = guest_memory + QUOTE;
	size_t size, i;
	struct td td;

	make_request(&td, "");
	CHECK(ask(&td) == GET_QUOTE_SUCCESS);
	size = head().out_len;
	for (i = 0; outside_the_chain(quote, size, i); i++) {
		quote[i] ^= 0x10;
		CHECK(!good(size));
		quote[i] ^= 0x10;
	}
	CHECK(i > 1000 && quote_is_good());
	CHECK(!good(size - 1));
	td_exit(&td);
}

static void forged_reports_get_no_quote(void)
{
	struct td td;

	make_request(&td, "");
	guest_memory[QUOTE + offsetof(struct tdx_report, mrtd)] ^= 1;
	CHECK(ask(&td) == GET_QUOTE_ERROR && head().out_len == 0);
	td_exit(&td);
}

static void malformed_requests_get_an_error(void)
{
	struct td td;

	make_request(&td, "");
	put_head(2, sizeof(struct tdx_report));
	CHECK(ask(&td) == GET_QUOTE_ERROR);
	put_head(GET_QUOTE_VERSION, sizeof(struct tdx_report) - 1);
	CHECK(ask(&td) == GET_QUOTE_ERROR);
	put_head(GET_QUOTE_VERSION, UINT32_MAX);
	CHECK(ask(&td) == GET_QUOTE_ERROR);
	td_exit(&td);
}

static void private_and_misaligned_buffers_are_refused(void)
{
	struct td td;

	make_request(&td, "");
	CHECK(get_quote(&td, BUFFER, BUFFER_SIZE) == TDVMCALL_INVALID_OPERAND);
	CHECK(get_quote(&td, (BUFFER + BUFFER_SIZE) | SHARED, 0x1000) ==
	      TDVMCALL_INVALID_OPERAND);
	CHECK(get_quote(&td, BUFFER | SHARED, BUFFER_SIZE + 0x1000) ==
	      TDVMCALL_INVALID_OPERAND);
	CHECK(get_quote(&td, (BUFFER + 8) | SHARED, 0x1000) ==
	      TDVMCALL_ALIGN_ERROR);
	CHECK(get_quote(&td, BUFFER | SHARED, 100) == TDVMCALL_ALIGN_ERROR);
	CHECK(get_quote(&td, BUFFER | SHARED, 0) == TDVMCALL_ALIGN_ERROR);
	CHECK(head().out_len == 0 && head().status == 0);
	td_exit(&td);
}

static void a_quote_that_does_not_fit_is_an_error(void)
{
	struct td td;

	make_request(&td, "");
	memset(guest_memory + BUFFER + 0x1000, 0xaa, 0x1000);
	CHECK(get_quote(&td, BUFFER | SHARED, 0x1000) == TDVMCALL_SUCCESS);
	CHECK(head().status == GET_QUOTE_ERROR && head().out_len == 0);
	CHECK(guest_memory[BUFFER + 0x1000] == 0xaa);
	td_exit(&td);
}

static void without_pki_the_service_is_unavailable(void)
{
	struct td td;

	make_request(&td, "");
	quoter_close(td.quoter);
	td.quoter = NULL;
	CHECK(ask(&td) == GET_QUOTE_UNAVAILABLE);
	td_exit(&td);
}

/* One boot's worth of misbehaviour, the report renewed before each. */
static void each_quote_fault_shows(void)
{
	struct td td;

	make_request(&td, "quote-down=1");
	CHECK(ask(&td) == GET_QUOTE_UNAVAILABLE);
	td_exit(&td);
	make_request(&td, "quote-error=1");
	CHECK(ask(&td) == GET_QUOTE_ERROR);
	td_exit(&td);
	make_request(&td, "quote-stuck=1");
	CHECK(ask(&td) == GET_QUOTE_IN_FLIGHT);
	td_exit(&td);
	make_request(&td, "quote-huge=1");
	CHECK(ask(&td) == GET_QUOTE_SUCCESS);
	CHECK(head().out_len == BUFFER_SIZE - sizeof(struct tdx_quote_buf) + 1);
	td_exit(&td);
	make_request(&td, "quote-corrupt=1");
	CHECK(ask(&td) == GET_QUOTE_SUCCESS && !quote_is_good());
	td_exit(&td);
	make_request(&td, "quote-foreign=1");
	CHECK(ask(&td) == GET_QUOTE_SUCCESS && quote_is_good());
	CHECK(memcmp(guest_memory + QUOTE + 48 + 136, td.config.mrtd, 48));
	CHECK(!memcmp(guest_memory + QUOTE + 48 + 520, report_data, 64));
	td_exit(&td);
}

static void late_quotes_arrive_with_a_later_call(void)
{
	struct td td;

	make_request(&td, "quote-late=20");
	CHECK(ask(&td) == GET_QUOTE_IN_FLIGHT);
	service_deliver_late(&td);
	CHECK(head().status == GET_QUOTE_IN_FLIGHT);
	usleep(30000);
	service_deliver_late(&td);
	CHECK(head().status == GET_QUOTE_SUCCESS && quote_is_good());
	td_exit(&td);
}

static void slow_quotes_alone_are_late(void)
{
	struct td td;

	make_request(&td, "quote-late=60000 quote-slow=1");
	CHECK(ask(&td) == GET_QUOTE_IN_FLIGHT);
	CHECK(ask(&td) == GET_QUOTE_SUCCESS && quote_is_good());
	td_exit(&td);
}

static void late_quotes_spare_memory_taken_back(void)
{
	struct td td;

	make_request(&td, "quote-late=1");
	CHECK(ask(&td) == GET_QUOTE_IN_FLIGHT);
	CHECK(td_map_gpa(&td, BUFFER, BUFFER_SIZE) == 0);
	usleep(5000);
	service_deliver_late(&td);
	CHECK(head().status == GET_QUOTE_IN_FLIGHT);
	td_exit(&td);
}

static void too_many_late_quotes_are_refused(void)
{
	struct td td;
	int i;

	make_request(&td, "quote-late=60000");
	for (i = 0; i < TD_LATE_QUOTES; i++)
		CHECK(ask(&td) == GET_QUOTE_IN_FLIGHT);
	CHECK(ask(&td) == GET_QUOTE_UNAVAILABLE);
	td_exit(&td);
}

static void a_directory_without_pki_is_named(void)
{
	struct quoter *quoter;
	const char *name = NULL;

	CHECK(quoter_open(&quoter, "/nonexistent", &name) == -ENOENT);
	CHECK(name && !strcmp(name, "pck.key"));
}

#define CLAIM(name) { #name, name }

const struct claim quote_claims[] = {
	CLAIM(any_changed_bit_of_a_report_is_noticed),
	CLAIM(reports_of_another_run_are_not_genuine),
	CLAIM(quote_verifies_and_repeats_the_report),
	CLAIM(any_changed_bit_of_a_quote_is_noticed),
	CLAIM(forged_reports_get_no_quote),
	CLAIM(malformed_requests_get_an_error),
	CLAIM(private_and_misaligned_buffers_are_refused),
	CLAIM(a_quote_that_does_not_fit_is_an_error),
	CLAIM(without_pki_the_service_is_unavailable),
	CLAIM(each_quote_fault_shows),
	CLAIM(late_quotes_arrive_with_a_later_call),
	CLAIM(slow_quotes_alone_are_late),
	CLAIM(late_quotes_spare_memory_taken_back),
	CLAIM(too_many_late_quotes_are_refused),
	CLAIM(a_directory_without_pki_is_named),
	{ NULL, NULL },
};
