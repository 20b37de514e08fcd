/** musl's files for a static libc on x86-64, by directory; a name without suffix is a C file.
 *
 * It is what musl's Makefile takes, except: no src/complex (tcc has no _Complex); C in place of x86_64/ assembly and inline
 * assembly that tcc does not understand (src/math/x86_64/*.c, expl.s, src/fenv/x86_64/fenv.s). */
export const muslFiles: Readonly<Record<string, string>> = {
  'src/aio': 'aio aio_suspend lio_listio',
  'src/conf': 'confstr fpathconf legacy pathconf sysconf',
  'src/crypt': 'crypt crypt_blowfish crypt_des crypt_md5 crypt_r crypt_sha256 crypt_sha512 encrypt',
  'src/ctype':
    '__ctype_b_loc __ctype_get_mb_cur_max __ctype_tolower_loc __ctype_toupper_loc isalnum isalpha isascii isblank ' +
    'iscntrl isdigit isgraph islower isprint ispunct isspace isupper iswalnum iswalpha iswblank iswcntrl iswctype ' +
    'iswdigit iswgraph iswlower iswprint iswpunct iswspace iswupper iswxdigit isxdigit toascii tolower toupper ' +
    'towctrans wcswidth wctrans wcwidth',
  'src/dirent':
    'alphasort closedir dirfd fdopendir opendir readdir readdir_r rewinddir scandir seekdir telldir versionsort',
  'src/env':
    '__environ __init_tls __libc_start_main __reset_tls __stack_chk_fail clearenv getenv putenv secure_getenv setenv ' +
    'unsetenv',
  'src/errno': '__errno_location strerror',
  'src/exit': '_Exit abort abort_lock assert at_quick_exit atexit exit quick_exit',
  'src/fcntl': 'creat fcntl open openat posix_fadvise posix_fallocate',
  'src/fenv': '__flt_rounds fegetexceptflag feholdexcept fenv fesetexceptflag fesetround feupdateenv',
  'src/internal': 'defsysinfo floatscan intscan libc procfdname shgetc syscall_ret vdso version',
  'src/ipc': 'ftok msgctl msgget msgrcv msgsnd semctl semget semop semtimedop shmat shmctl shmdt shmget',
  'src/ldso': '__dlsym dl_iterate_phdr dladdr dlclose dlerror dlinfo dlopen',
  'src/ldso/x86_64': 'dlsym.s tlsdesc.s',
  'src/legacy':
    'cuserid daemon err euidaccess ftw futimes getdtablesize getloadavg getpagesize getpass getusershell isastream ' +
    'lutimes ulimit utmpx valloc',
  'src/linux':
    'adjtime adjtimex arch_prctl brk cache cap chroot clock_adjtime clone copy_file_range epoll eventfd fallocate ' +
    'fanotify flock getdents getrandom gettid inotify ioperm iopl klogctl membarrier memfd_create mlock2 module mount ' +
    'name_to_handle_at open_by_handle_at personality pivot_root ppoll prctl prlimit process_vm ptrace quotactl ' +
    'readahead reboot remap_file_pages sbrk sendfile setfsgid setfsuid setgroups sethostname setns settimeofday ' +
    'signalfd splice stime swap sync_file_range syncfs sysinfo tee timerfd unshare utimes vhangup vmsplice wait3 ' +
    'wait4 xattr',
  'src/locale':
    '__lctrans __mo_lookup bind_textdomain_codeset c_locale catclose catgets catopen dcngettext duplocale freelocale ' +
    'iconv iconv_close langinfo locale_map localeconv newlocale pleval setlocale strcoll strfmon strtod_l strxfrm ' +
    'textdomain uselocale wcscoll wcsxfrm',
  'src/malloc': 'calloc free libc_calloc lite_malloc memalign posix_memalign realloc reallocarray replaced',
  'src/malloc/mallocng': 'aligned_alloc donate free malloc malloc_usable_size realloc',
  'src/math':
    '__cos __cosdf __cosl __expo2 __expo2f __fpclassify __fpclassifyf __fpclassifyl __math_divzero __math_divzerof ' +
    '__math_invalid __math_invalidf __math_invalidl __math_oflow __math_oflowf __math_uflow __math_uflowf ' +
    '__math_xflow __math_xflowf __polevll __rem_pio2 __rem_pio2_large __rem_pio2f __rem_pio2l __signbit __signbitf ' +
    '__signbitl __sin __sindf __sinl __tan __tandf __tanl acos acosf acosh acoshf acoshl asin asinf asinh asinhf ' +
    'asinhl atan atan2 atan2f atanf atanh atanhf atanhl cbrt cbrtf cbrtl ceil ceilf copysign copysignf copysignl cos ' +
    'cosf cosh coshf coshl cosl erf erff erfl exp exp10 exp10f exp10l exp2 exp2f exp2f_data exp_data expf expl expm1 ' +
    'expm1f fabs fabsf fabsl fdim fdimf fdiml finite finitef floor floorf fma fmaf fmal fmax fmaxf fmaxl fmin fminf ' +
    'fminl fmod fmodf fmodl frexp frexpf frexpl hypot hypotf hypotl ilogb ilogbf ilogbl j0 j0f j1 j1f jn jnf ldexp ' +
    'ldexpf ldexpl lgamma lgamma_r lgammaf lgammaf_r lgammal llrint llrintf llrintl llround llroundf llroundl log ' +
    'log10 log10f log1p log1pf log2 log2_data log2f log2f_data log_data logb logbf logbl logf logf_data lrint lrintf ' +
    'lrintl lround lroundf lroundl modf modff modfl nan nanf nanl nearbyint nearbyintf nearbyintl nextafter ' +
    'nextafterf nextafterl nexttoward nexttowardf nexttowardl pow pow_data powf powf_data powl remainder remainderf ' +
    'remainderl remquo remquof remquol rint rintf rintl round roundf roundl scalb scalbf scalbln scalblnf scalblnl ' +
    'scalbn scalbnf scalbnl signgam significand significandf sin sincos sincosf sincosl sinf sinh sinhf sinhl sinl ' +
    'sqrt sqrt_data sqrtf tan tanf tanh tanhf tanhl tanl tgamma tgammaf tgammal trunc truncf',
  'src/math/x86_64':
    '__invtrigl.s acosl.s asinl.s atan2l.s atanl.s ceill.s exp2l.s expm1l.s floorl.s log10l.s log1pl.s log2l.s logl.s ' +
    'sqrtl truncl.s',
  'src/misc':
    'a64l basename dirname ffs ffsl ffsll fmtmsg forkpty get_current_dir_name getauxval getdomainname getentropy ' +
    'gethostid getopt getopt_long getpriority getresgid getresuid getrlimit getrusage getsubopt initgroups ioctl ' +
    'issetugid lockf login_tty mntent nftw openpty ptsname pty realpath setdomainname setpriority setrlimit syscall ' +
    'syslog uname wordexp',
  'src/mman':
    'madvise mincore mlock mlockall mmap mprotect mremap msync munlock munlockall munmap posix_madvise shm_open',
  'src/mq':
    'mq_close mq_getattr mq_notify mq_open mq_receive mq_send mq_setattr mq_timedreceive mq_timedsend mq_unlink',
  'src/multibyte':
    'btowc c16rtomb c32rtomb internal mblen mbrlen mbrtoc16 mbrtoc32 mbrtowc mbsinit mbsnrtowcs mbsrtowcs mbstowcs ' +
    'mbtowc wcrtomb wcsnrtombs wcsrtombs wcstombs wctob wctomb',
  'src/network':
    'accept accept4 bind connect dn_comp dn_expand dn_skipname dns_parse ent ether freeaddrinfo gai_strerror ' +
    'getaddrinfo gethostbyaddr gethostbyaddr_r gethostbyname gethostbyname2 gethostbyname2_r gethostbyname_r ' +
    'getifaddrs getnameinfo getpeername getservbyname getservbyname_r getservbyport getservbyport_r getsockname ' +
    'getsockopt h_errno herror hstrerror htonl htons if_freenameindex if_indextoname if_nameindex if_nametoindex ' +
    'in6addr_any in6addr_loopback inet_addr inet_aton inet_legacy inet_ntoa inet_ntop inet_pton listen ' +
    'lookup_ipliteral lookup_name lookup_serv netlink netname ns_parse ntohl ntohs proto recv recvfrom recvmmsg ' +
    'recvmsg res_init res_mkquery res_msend res_query res_querydomain res_send res_state resolvconf send sendmmsg ' +
    'sendmsg sendto serv setsockopt shutdown sockatmark socket socketpair',
  'src/passwd':
    'fgetgrent fgetpwent fgetspent getgr_a getgr_r getgrent getgrent_a getgrouplist getpw_a getpw_r getpwent ' +
    'getpwent_a getspent getspnam getspnam_r lckpwdf nscd_query putgrent putpwent putspent',
  'src/prng': '__rand48_step __seed48 drand48 lcong48 lrand48 mrand48 rand rand_r random seed48 srand48',
  'src/process':
    '_Fork execl execle execlp execv execve execvp fexecve fork posix_spawn posix_spawn_file_actions_addchdir ' +
    'posix_spawn_file_actions_addclose posix_spawn_file_actions_adddup2 posix_spawn_file_actions_addfchdir ' +
    'posix_spawn_file_actions_addopen posix_spawn_file_actions_destroy posix_spawn_file_actions_init ' +
    'posix_spawnattr_destroy posix_spawnattr_getflags posix_spawnattr_getpgroup posix_spawnattr_getsigdefault ' +
    'posix_spawnattr_getsigmask posix_spawnattr_init posix_spawnattr_sched posix_spawnattr_setflags ' +
    'posix_spawnattr_setpgroup posix_spawnattr_setsigdefault posix_spawnattr_setsigmask posix_spawnp system wait ' +
    'waitid waitpid',
  'src/process/x86_64': 'vfork.s',
  'src/regex': 'fnmatch glob regcomp regerror regexec tre-mem',
  'src/sched':
    'affinity sched_cpucount sched_get_priority_max sched_getcpu sched_getparam sched_getscheduler ' +
    'sched_rr_get_interval sched_setparam sched_setscheduler sched_yield',
  'src/search': 'hsearch insque lsearch tdelete tdestroy tfind tsearch twalk',
  'src/select': 'poll pselect select',
  'src/setjmp/x86_64': 'longjmp.s setjmp.s',
  'src/signal':
    'block getitimer kill killpg psiginfo psignal raise setitimer sigaction sigaddset sigaltstack sigandset sigdelset ' +
    'sigemptyset sigfillset sighold sigignore siginterrupt sigisemptyset sigismember siglongjmp signal sigorset ' +
    'sigpause sigpending sigprocmask sigqueue sigrelse sigrtmax sigrtmin sigset sigsetjmp_tail sigsuspend ' +
    'sigtimedwait sigwait sigwaitinfo',
  'src/signal/x86_64': 'restore.s sigsetjmp.s',
  'src/stat':
    '__xstat chmod fchmod fchmodat fstat fstatat futimens futimesat lchmod lstat mkdir mkdirat mkfifo mkfifoat mknod ' +
    'mknodat stat statvfs umask utimensat',
  'src/stdio':
    '__fclose_ca __fdopen __fmodeflags __fopen_rb_ca __lockfile __overflow __stdio_close __stdio_exit __stdio_read ' +
    '__stdio_seek __stdio_write __stdout_write __toread __towrite __uflow asprintf clearerr dprintf ext ext2 fclose ' +
    'feof ferror fflush fgetc fgetln fgetpos fgets fgetwc fgetws fileno flockfile fmemopen fopen fopencookie fprintf ' +
    'fputc fputs fputwc fputws fread freopen fscanf fseek fsetpos ftell ftrylockfile funlockfile fwide fwprintf ' +
    'fwrite fwscanf getc getc_unlocked getchar getchar_unlocked getdelim getline gets getw getwc getwchar ofl ofl_add ' +
    'open_memstream open_wmemstream pclose perror popen printf putc putc_unlocked putchar putchar_unlocked puts putw ' +
    'putwc putwchar remove rename rewind scanf setbuf setbuffer setlinebuf setvbuf snprintf sprintf sscanf stderr ' +
    'stdin stdout swprintf swscanf tempnam tmpfile tmpnam ungetc ungetwc vasprintf vdprintf vfprintf vfscanf ' +
    'vfwprintf vfwscanf vprintf vscanf vsnprintf vsprintf vsscanf vswprintf vswscanf vwprintf vwscanf wprintf wscanf',
  'src/stdlib':
    'abs atof atoi atol atoll bsearch div ecvt fcvt gcvt imaxabs imaxdiv labs ldiv llabs lldiv qsort qsort_nr strtod ' +
    'strtol wcstod wcstol',
  'src/string':
    'bcmp bcopy bzero explicit_bzero index memccpy memchr memcmp memmem mempcpy memrchr rindex stpcpy stpncpy ' +
    'strcasecmp strcasestr strcat strchr strchrnul strcmp strcpy strcspn strdup strerror_r strlcat strlcpy strlen ' +
    'strncasecmp strncat strncmp strncpy strndup strnlen strpbrk strrchr strsep strsignal strspn strstr strtok ' +
    'strtok_r strverscmp swab wcpcpy wcpncpy wcscasecmp wcscasecmp_l wcscat wcschr wcscmp wcscpy wcscspn wcsdup ' +
    'wcslen wcsncasecmp wcsncasecmp_l wcsncat wcsncmp wcsncpy wcsnlen wcspbrk wcsrchr wcsspn wcsstr wcstok wcswcs ' +
    'wmemchr wmemcmp wmemcpy wmemmove wmemset',
  'src/string/x86_64': 'memcpy.s memmove.s memset.s',
  'src/temp': '__randname mkdtemp mkostemp mkostemps mkstemp mkstemps mktemp',
  'src/termios':
    'cfgetospeed cfmakeraw cfsetospeed tcdrain tcflow tcflush tcgetattr tcgetsid tcgetwinsize tcsendbreak tcsetattr ' +
    'tcsetwinsize',
  'src/thread':
    '__lock __syscall_cp __timedwait __tls_get_addr __wait call_once cnd_broadcast cnd_destroy cnd_init cnd_signal ' +
    'cnd_timedwait cnd_wait default_attr lock_ptc mtx_destroy mtx_init mtx_lock mtx_timedlock mtx_trylock mtx_unlock ' +
    'pthread_atfork pthread_attr_destroy pthread_attr_get pthread_attr_init pthread_attr_setdetachstate ' +
    'pthread_attr_setguardsize pthread_attr_setinheritsched pthread_attr_setschedparam pthread_attr_setschedpolicy ' +
    'pthread_attr_setscope pthread_attr_setstack pthread_attr_setstacksize pthread_barrier_destroy ' +
    'pthread_barrier_init pthread_barrier_wait pthread_barrierattr_destroy pthread_barrierattr_init ' +
    'pthread_barrierattr_setpshared pthread_cancel pthread_cleanup_push pthread_cond_broadcast pthread_cond_destroy ' +
    'pthread_cond_init pthread_cond_signal pthread_cond_timedwait pthread_cond_wait pthread_condattr_destroy ' +
    'pthread_condattr_init pthread_condattr_setclock pthread_condattr_setpshared pthread_create pthread_detach ' +
    'pthread_equal pthread_getattr_np pthread_getconcurrency pthread_getcpuclockid pthread_getname_np ' +
    'pthread_getschedparam pthread_getspecific pthread_join pthread_key_create pthread_kill pthread_mutex_consistent ' +
    'pthread_mutex_destroy pthread_mutex_getprioceiling pthread_mutex_init pthread_mutex_lock ' +
    'pthread_mutex_setprioceiling pthread_mutex_timedlock pthread_mutex_trylock pthread_mutex_unlock ' +
    'pthread_mutexattr_destroy pthread_mutexattr_init pthread_mutexattr_setprotocol pthread_mutexattr_setpshared ' +
    'pthread_mutexattr_setrobust pthread_mutexattr_settype pthread_once pthread_rwlock_destroy pthread_rwlock_init ' +
    'pthread_rwlock_rdlock pthread_rwlock_timedrdlock pthread_rwlock_timedwrlock pthread_rwlock_tryrdlock ' +
    'pthread_rwlock_trywrlock pthread_rwlock_unlock pthread_rwlock_wrlock pthread_rwlockattr_destroy ' +
    'pthread_rwlockattr_init pthread_rwlockattr_setpshared pthread_self pthread_setattr_default_np ' +
    'pthread_setcancelstate pthread_setcanceltype pthread_setconcurrency pthread_setname_np pthread_setschedparam ' +
    'pthread_setschedprio pthread_setspecific pthread_sigmask pthread_spin_destroy pthread_spin_init ' +
    'pthread_spin_lock pthread_spin_trylock pthread_spin_unlock pthread_testcancel sem_destroy sem_getvalue sem_init ' +
    'sem_open sem_post sem_timedwait sem_trywait sem_unlink sem_wait synccall thrd_create thrd_exit thrd_join ' +
    'thrd_sleep thrd_yield tls tss_create tss_delete tss_set vmlock',
  'src/thread/x86_64': '__set_thread_area.s __unmapself.s clone.s syscall_cp.s',
  'src/time':
    '__map_file __month_to_secs __secs_to_tm __tm_to_secs __tz __year_to_secs asctime asctime_r clock ' +
    'clock_getcpuclockid clock_getres clock_gettime clock_nanosleep clock_settime ctime ctime_r difftime ftime ' +
    'getdate gettimeofday gmtime gmtime_r localtime localtime_r mktime nanosleep strftime strptime time timegm ' +
    'timer_create timer_delete timer_getoverrun timer_gettime timer_settime times timespec_get utime wcsftime',
  'src/unistd':
    '_exit access acct alarm chdir chown close ctermid dup dup2 dup3 faccessat fchdir fchown fchownat fdatasync fsync ' +
    'ftruncate getcwd getegid geteuid getgid getgroups gethostname getlogin getlogin_r getpgid getpgrp getpid getppid ' +
    'getsid getuid isatty lchown link linkat lseek nice pause pipe pipe2 posix_close pread preadv pwrite pwritev read ' +
    'readlink readlinkat readv renameat rmdir setegid seteuid setgid setpgid setpgrp setregid setresgid setresuid ' +
    'setreuid setsid setuid setxid sleep symlink symlinkat sync tcgetpgrp tcsetpgrp truncate ttyname ttyname_r ualarm ' +
    'unlink unlinkat usleep write writev',
}
