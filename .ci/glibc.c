/* Stands in for parts of glibc and libgcc, 120 kB, that the static programs would link and make no use of. Symbols that another version
 * does not ask for are not linked. All are weak: a program that asks for the rest of such a part gets the real one. */
#include <stdarg.h>
#include <stddef.h>

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

/* The unwinder (libgcc_eh). A panic aborts, and the tables that it would read are not in the programs (no-unwind-tables.ld): it could only
 * abort as well. A backtrace is empty; 5 is the end of the stack. */
_Noreturn void abort(void);
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

/* printf, with its floating-point numbers and its wide characters. glibc itself
 * (2.36) formats with it the message of an unknown error (string/_strerror.c) and the name of a file (nptl/pthread_setname.c), with %s, %d
 * and %u; and what is said before it aborts (assert, dynarray), by malloc_stats and by dlerror, which have an answer to -1. */
static int formatted(char *to, size_t size, const char *how, va_list values) {
  size_t length = 0;
  for (; *how; how++) {
    char digits[24], *text = digits + sizeof digits - 1;
    *text = 0;
    if (*how != '%') {
      *--text = *how;
    } else if (*++how == 's') {
      text = va_arg(values, char *);
    } else {
      int value = va_arg(values, int);
      unsigned rest = *how == 'd' && value < 0 ? -(unsigned)value : (unsigned)value;
      do *--text = (char)('0' + rest % 10);
      while (rest /= 10);
      if (*how == 'd' && value < 0) *--text = '-';
    }
    for (; *text; text++, length++)
      if (length + 1 < size) to[length] = *text;
  }
  if (size) to[length < size ? length : size - 1] = 0;
  return (int)length;
}
IN_PLACE int __snprintf(char *to, size_t size, const char *how, ...) {
  va_list values;
  va_start(values, how);
  int length = formatted(to, size, how, values);
  va_end(values);
  return length;
}
IN_PLACE int sprintf(char *to, const char *how, ...) {
  va_list values;
  va_start(values, how);
  int length = formatted(to, (size_t)-1, how, values);
  va_end(values);
  return length;
}
IN_PLACE int __asprintf(char **to, const char *how, ...) {
  (void)to, (void)how;
  return -1;
}
IN_PLACE int __fxprintf(void *stream, const char *how, ...) {
  (void)stream, (void)how;
  return -1;
}
IN_PLACE int fprintf(void *stream, const char *how, ...) {
  (void)stream, (void)how;
  return -1;
}
