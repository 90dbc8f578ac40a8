/* Stands in for parts of glibc and libgcc, 120 kB, that the static programs would link and make no use of. Symbols that another version
 * does not ask for are not linked. All are weak: a program that asks for the rest of such a part gets the real one. */
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
