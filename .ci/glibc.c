/* Stands in for parts of glibc and libgcc, 360 kB, that the static programs would link and make no use of. Symbols that another version
 * does not ask for are not linked. All are weak: a program that asks for the rest of such a part gets the real one. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#define IN_PLACE __attribute__((weak))

/* A message in the language of the locale. That is "C" unless a program calls setlocale, and then glibc returns the message itself as
 * well (2.36, intl/dcigettext.c), after it linked catalogues, plural forms and conversions of character sets. */
IN_PLACE char *__dcgettext(const char *domain, const char *message, int category) {
  (void)domain, (void)category;
  return (char *)message;
}

/* The state of the resolver of host names. Each thread has a pointer to it (nptl/pthread_create.c), beside which these two are called
 * where a name is looked up (resolv/res_libc.c), which these programs never do. -1 is a failure. */
IN_PLACE int __res_vinit(void *state, int preinit) {
  (void)state, (void)preinit;
  return -1;
}
IN_PLACE void __res_iclose(void *state, _Bool free_addresses) { (void)state, (void)free_addresses; }

/* What glibc's own assertions call (assert/assert.c). It prints with asprintf, which brings floating-point and wide characters, streams,
 * and the conversions of character sets: these programs print by Rust's std. */
_Noreturn void abort(void);
IN_PLACE _Noreturn void __assert_fail(const char *assertion, const char *file, unsigned int line, const char *function) {
  (void)assertion, (void)file, (void)line, (void)function;
  abort();
}

/* A static program has no symbols that dlsym could find. glibc's loads what they are in, to say so. */
IN_PLACE void *dlsym(void *restrict library, const char *restrict name) {
  (void)library, (void)name;
  return (void *)0;
}

/* The bounds of a stack, which std asks for only to name an overflow of it; it goes on without them (library/std of 1.95,
 * src/sys/pal/unix/stack_overflow.rs). glibc reads them with scanf. */
IN_PLACE int pthread_getattr_np(unsigned long thread, void *attributes) {
  (void)thread, (void)attributes;
  return ENOSYS;
}

/* Locks for the streams of stdio, from the first thread on: they are not used, and where they are, the real one is linked. */
IN_PLACE void _IO_enable_locks(void) {}
IN_PLACE void _IO_list_lock(void) {}
IN_PLACE void _IO_list_unlock(void) {}
IN_PLACE void _IO_list_resetlock(void) {}
IN_PLACE void *_IO_iter_begin(void) { return (void *)0; }
IN_PLACE void *_IO_iter_end(void) { return (void *)0; }
IN_PLACE void *_IO_iter_next(void *at) { return at; }
IN_PLACE void *_IO_iter_file(void *at) { return at; }

/* std names only the thread that calls it. glibc's names others as well, by a file whose name it prints. */
IN_PLACE int pthread_setname_np(unsigned long thread, const char *name) {
  (void)thread;
  return prctl(PR_SET_NAME, name) == 0 ? 0 : errno;
}

/* malloc_stats and malloc_info print with it; they are not called, and not linked. */
IN_PLACE FILE *stderr;
IN_PLACE int fprintf(FILE *stream, const char *format, ...) {
  (void)stream, (void)format;
  abort();
}

/* The words for an error of the system, as std asks for them. glibc's print the number of one that they do not know. */
IN_PLACE int __xpg_strerror_r(int error, char *text, size_t size) {
  const char *words = strerrordesc_np(error);
  if (size == 0) return ERANGE;
  strncpy(text, words ? words : "Unknown error", size - 1);
  text[size - 1] = 0;
  return 0;
}

/* The conversions of wide characters, which the locale "C" points to. */
IN_PLACE char __wcsmbs_gconv_fcts_c[64];

/* Makes the stacks of threads executable for a library that asks for it, which a static program does not load. */
IN_PLACE int __nptl_change_stack_perm(void *thread) {
  (void)thread;
  return ENOSYS;
}

/* The unwinder (libgcc_eh). A panic aborts, and the tables that it would read are not in the programs (no-unwind-tables.ld): it could only
 * abort as well. A backtrace is empty; 5 is the end of the stack. */
IN_PLACE int _Unwind_Backtrace(void *each, void *argument) {
  (void)each, (void)argument;
  return 5;
}
#define NEVER(name) \
  IN_PLACE void name(void) { abort(); }
NEVER(_Unwind_DeleteException)
NEVER(_Unwind_FindEnclosingFunction)
NEVER(_Unwind_ForcedUnwind)
NEVER(_Unwind_GetCFA)
NEVER(_Unwind_GetDataRelBase)
NEVER(_Unwind_GetIP)
NEVER(_Unwind_GetIPInfo)
NEVER(_Unwind_GetLanguageSpecificData)
NEVER(_Unwind_GetRegionStart)
NEVER(_Unwind_GetTextRelBase)
NEVER(_Unwind_RaiseException)
NEVER(_Unwind_Resume)
NEVER(_Unwind_Resume_or_Rethrow)
NEVER(_Unwind_SetGR)
NEVER(_Unwind_SetIP)

/* What binds functions when they are called first, and errors of the dynamic loader: a static program is bound when it starts, by
 * addresses alone (elf/dl-reloc-static-pie.c). */
NEVER(_dl_reloc_bad_type)
NEVER(_dl_runtime_resolve_fxsave)
NEVER(_dl_runtime_resolve_xsave)
NEVER(_dl_runtime_resolve_xsavec)
NEVER(_dl_runtime_profile_avx)
NEVER(_dl_runtime_profile_avx512)
NEVER(_dl_runtime_profile_sse)
NEVER(_dl_signal_exception)
NEVER(_dl_signal_error)

/* An index outside of a list, in fork. */
NEVER(__libc_dynarray_at_failure)
