/** The C files of busybox that the options in recipes/files/busybox.config need, by directory. */
export const busyboxFiles: Readonly<Record<string, string>> = {
  applets: 'applets',
  archival: 'bbunzip bzip2 chksum_and_xwrite_tar_header cpio gzip tar unzip',
  'archival/libarchive':
    'common data_align data_extract_all data_extract_to_command data_extract_to_stdout data_skip decompress_bunzip2 ' +
    'decompress_gunzip decompress_uncompress decompress_unlzma decompress_unxz filter_accept_all filter_accept_list ' +
    'filter_accept_reject_list find_list_entry get_header_cpio get_header_tar header_list header_skip ' +
    'header_verbose_list init_handle open_transformer seek_by_jump seek_by_read unsafe_prefix ' +
    'unsafe_symlink_target',
  'console-tools': 'clear reset',
  coreutils:
    'basename cat chgrp chmod chown chroot cksum comm cp cut date dd df dirname dos2unix du echo env expand expr ' +
    'factor false fold head hostid id install link ln logname ls md5_sha1_sum mkdir mkfifo mknod mktemp mv nice nl ' +
    'nohup nproc od paste printenv printf pwd readlink realpath rm rmdir seq shred shuf sleep sort split stat stty ' +
    'sum sync tac tail tee test test_ptr_hack timeout touch tr true truncate tty uname uniq unlink usleep uudecode ' +
    'uuencode wc whoami yes',
  'coreutils/libcoreutils': 'cp_mv_stat getopt_mk_fifo_nod',
  debianutils: 'which',
  editors: 'awk cmp diff ed patch sed vi',
  findutils: 'find grep xargs',
  libbb:
    'appletlib ask_confirmation auto_string bb_askpass bb_bswap_64 bb_cat bb_do_delay bb_getgroups bb_getsockname ' +
    'bb_pwd bb_qsort bb_strtonum change_identity chomp common_bufsiz compare_string_array concat_path_file ' +
    'concat_subpath_file const_hack copy_file copyfd crc32 default_error_retval device_open dump duration endofname ' +
    'executable fclose_nonstdin fflush_stdout_and_exit fgets_str find_mount_point find_pid_by_name find_root_device ' +
    'full_write get_console get_last_path_component get_line_from_file get_shell_name get_volsize getopt32 ' +
    'getopt_allopts getpty hash_md5_sha herror_msg human_readable inet_common inode_hash isdirectory isqrt ' +
    'iterate_on_dir kernel_version last_char_is lineedit lineedit_ptr_hack llist login make_directory makedev ' +
    'match_fstype messages missing_syscalls mode_string nuke_str parse_config parse_mode percent_decode perror_msg ' +
    'perror_nomsg perror_nomsg_and_die pidfile platform print_flags print_numbered_lines printable printable_string ' +
    'process_escape_sequence procps progress ptr_to_globals read read_key read_printf recursive_action remove_file ' +
    'replace run_shell safe_gethostname safe_poll safe_strncpy safe_write securetty setup_environment signals ' +
    'simplify_path single_argv skip_whitespace speed_table str_tolower strrstr sysconf time trim u_signal_names ubi ' +
    'uuencode verror_msg vfork_daemon_rexec warn_ignoring_args wfopen wfopen_input write xatonum xconnect xfunc_die ' +
    'xfuncs xfuncs_printf xgetcwd xgethostbyname xreadlink xrealloc_vector xregcomp',
  libpwdgrp: 'uidgid_get',
  miscutils: 'ascii bc strings time ts',
  networking: 'hostname',
  procps: 'kill ps',
  shell: 'ash ash_ptr_hack math random shell_common',
  'util-linux': 'cal fallocate getopt hexdump hexdump_xxd more mount pivot_root rev setsid umount',
}
