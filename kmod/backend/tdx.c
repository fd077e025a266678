// SPDX-License-Identifier: GPL-2.0-only
/*
 * RTMR3 of an Intel TD, by the calls that the kernel exports
 *
 * Copyright The dstack for Linux authors
 *
 * The wrappers take no lock: tdx-guest serialises its own calls with a mutex
 * that no other module can take, so either side can find the TDX module busy.
 * The VMM answers quote requests and is hostile: what it writes is read once,
 * bounded, and copied before it is believed.  Guest-Host Communication
 * Interface (GHCI) 1.5, "TDG.VP.VMCALL<GetQuote>".
 */
#include <asm/coco.h>
#include <asm/cpufeature.h>
#include <asm/set_memory.h>
#include <asm/tdx.h>
#include <linux/cleanup.h>
#include <linux/delay.h>
#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../backend_ops.h"
#include "../bounds.h"

#define RTMR_INDEX	3

/* TDX module base specification, "TDREPORT_STRUCT". */
#define REPORT_SIZE	1024
#define REPORT_RTMR3	864

/* GHCI: struct of the shared buffer of GetQuote. */
struct quote_request {
	u64 version;
	u64 status;
	u32 in_len;
	u32 out_len;
	u8 data[];
};

#define QUOTE_VERSION	1
#define QUOTE_BUF_SIZE	DSTACK_QUOTE_MAX
#define QUOTE_IN_FLIGHT	U64_MAX

/*
 * The TDX module takes physical addresses and wants them aligned: slab memory
 * of a power of two is both contiguous and naturally aligned.
 */
static u8 *extend_buf;		/* 48 bytes, aligned to 64 */
static u8 *report_data_buf;	/* 64 bytes, aligned to 64 */
static u8 *report_buf;		/* 1024 bytes, aligned to 1024 */

static DEFINE_MUTEX(quote_lock);	/* the four below */
static struct quote_request *quote_buf;
static bool quote_in_flight;	/* the VMM still owns quote_buf */

static int tdx_extend(const u8 digest[DSTACK_REGISTER_SIZE])
{
	int tries = DSTACK_BUSY_RETRIES;
	int err;

	memcpy(extend_buf, digest, DSTACK_REGISTER_SIZE);
	for (;;) {
		err = tdx_mcall_extend_rtmr(RTMR_INDEX, extend_buf);
		if (err != -EBUSY || !tries--)
			break;
		usleep_range(50, 100);
	}
	return err && err != -EBUSY ? -EIO : err;
}

static int tdx_report(const u8 report_data[DSTACK_REPORT_DATA_SIZE],
		      struct dstack_report *report)
{
	int tries = DSTACK_BUSY_RETRIES;
	int err;

	BUILD_BUG_ON(sizeof(report->data) < REPORT_SIZE);
	memcpy(report_data_buf, report_data, DSTACK_REPORT_DATA_SIZE);
	for (;;) {
		err = tdx_mcall_get_report0(report_data_buf, report_buf);
		if (err != -EBUSY || !tries--)
			break;
		usleep_range(50, 100);
	}
	if (err)
		return err == -EBUSY ? -EBUSY : -EIO;
	memcpy(report->data, report_buf, REPORT_SIZE);
	report->len = REPORT_SIZE;
	memcpy(report->value, report_buf + REPORT_RTMR3, sizeof(report->value));
	return 0;
}

static bool vmm_owns_buffer(void)
{
	u64 status = READ_ONCE(quote_buf->status);

	return status == QUOTE_IN_FLIGHT;
}

/* Wait until the VMM gives the buffer back. */
static int wait_for_vmm(void)
{
	unsigned long end = jiffies + msecs_to_jiffies(DSTACK_QUOTE_TIMEOUT_MS);

	while (vmm_owns_buffer()) {
		if (time_after(jiffies, end))
			return -ETIMEDOUT;
		if (msleep_interruptible(DSTACK_QUOTE_POLL_MS))
			return -EINTR;
	}
	return 0;
}

/* Copy what the VMM wrote; nothing in the buffer is read twice. */
static int take_quote(void **quote, size_t *len)
{
	u32 out_len = READ_ONCE(quote_buf->out_len);

	if (READ_ONCE(quote_buf->status))
		return -EIO;
	if (!out_len || out_len > QUOTE_BUF_SIZE - sizeof(*quote_buf))
		return -EPROTO;
	*quote = kvmemdup(quote_buf->data, out_len, GFP_KERNEL);
	if (!*quote)
		return -ENOMEM;
	*len = out_len;
	return 0;
}

static int quote_locked(const struct dstack_report *report, void **quote,
			size_t *len)
{
	int err;

	lockdep_assert_held(&quote_lock);
	if (quote_in_flight && vmm_owns_buffer())
		return -EBUSY;
	quote_in_flight = false;

	memset(quote_buf, 0, QUOTE_BUF_SIZE);
	quote_buf->version = QUOTE_VERSION;
	quote_buf->in_len = report->len;
	memcpy(quote_buf->data, report->data, report->len);

	if (tdx_hcall_get_quote((u8 *)quote_buf, QUOTE_BUF_SIZE))
		return -EIO;
	err = wait_for_vmm();
	if (err) {
		quote_in_flight = true;
		return err;
	}
	return take_quote(quote, len);
}

static int tdx_quote(const struct dstack_report *report, void **quote,
		     size_t *len)
{
	int err;

	if (mutex_lock_interruptible(&quote_lock))
		return -EINTR;
	err = quote_locked(report, quote, len);
	mutex_unlock(&quote_lock);
	return err;
}

/* A page that may still be shared is never given back to the allocator. */
static void free_quote_buf(void)
{
	if (quote_in_flight && vmm_owns_buffer())
		return;
	if (set_memory_encrypted((unsigned long)quote_buf,
				 QUOTE_BUF_SIZE / PAGE_SIZE))
		return;
	free_pages_exact(quote_buf, QUOTE_BUF_SIZE);
}

static int alloc_quote_buf(void)
{
	int err;

	quote_in_flight = false;
	quote_buf = alloc_pages_exact(QUOTE_BUF_SIZE, GFP_KERNEL | __GFP_ZERO);
	if (!quote_buf)
		return -ENOMEM;
	err = set_memory_decrypted((unsigned long)quote_buf,
				   QUOTE_BUF_SIZE / PAGE_SIZE);
	if (err)
		quote_buf = NULL;	/* its state is unknown: leak it */
	return err;
}

static int tdx_probe(void)
{
	int err = -ENOMEM;

	if (!cpu_feature_enabled(X86_FEATURE_TDX_GUEST))
		return -ENODEV;
	/* Sizes are rounded up so that slab's natural alignment suffices. */
	extend_buf = kzalloc(64, GFP_KERNEL);
	report_data_buf = kzalloc(64, GFP_KERNEL);
	report_buf = kzalloc(REPORT_SIZE, GFP_KERNEL);
	if (!extend_buf || !report_data_buf || !report_buf)
		goto err_free_bufs;
	err = alloc_quote_buf();
	if (err)
		goto err_free_bufs;
	return 0;

err_free_bufs:
	kfree(report_buf);
	kfree(report_data_buf);
	kfree(extend_buf);
	return err;
}

static void tdx_remove(void)
{
	free_quote_buf();
	kfree(report_buf);
	kfree(report_data_buf);
	kfree(extend_buf);
}

const struct dstack_backend_ops dstack_backend_tdx = {
	.name = "tdx",
	.id = DSTACK_BACKEND_TDX,
	.feature = DSTACK_FEATURE_TDX,
	.attribute = "rtmr3:sha384",
	.probe = tdx_probe,
	.remove = tdx_remove,
	.extend = tdx_extend,
	.report = tdx_report,
	.quote = tdx_quote,
};
