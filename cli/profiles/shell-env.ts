// What a shell needs to know to find what a profile shows: programs, manual pages, info pages, completions and all else in share/.
// Each text does nothing when it runs a second time, so that nested shells do not grow their variables.
import { AbnError } from '../../format/errors.ts'

export type Shell = 'bash' | 'zsh' | 'fish'

export const shells: readonly Shell[] = ['bash', 'zsh', 'fish']

/** Directories that come first in each variable. */
export function environmentOf(root: string): Readonly<Record<string, readonly string[]>> {
  // No quoting helps against what separates the directories.
  if (root.includes(':')) {
    throw new AbnError('ABN_STORE_UNUSABLE', `${root} cannot stand in PATH, because it holds a colon`, {
      hint: 'set ABNPKG_ROOT to a directory without one',
    })
  }
  return {
    PATH: [`${root}/bin`, `${root}/sbin`],
    MANPATH: [`${root}/share/man`],
    INFOPATH: [`${root}/share/info`],
    XDG_DATA_DIRS: [`${root}/share`],
  }
}

/** Lines for the shell's startup file. `root` is where the profile's bin, share and so on are. */
export function linesFor(shell: Shell, root: string): readonly string[] {
  switch (shell) {
    case 'bash':
      return [`abnpkg_profile=${quotedForSh(root)}`, ...SH, 'unset abnpkg_profile']
    case 'zsh':
      return [`abnpkg_profile=${quotedForSh(root)}`, ...SH, ...ZSH, 'unset abnpkg_profile']
    case 'fish':
      return [`set -l abnpkg_profile ${quotedForFish(root)}`, ...FISH]
    default:
      return shell satisfies never
  }
}

/** For any POSIX shell. */
export function quotedForSh(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

export function quotedForFish(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`
}

/**
 * For man and info, an empty place at the end stands for what they know without the variable. bash-completion looks for
 * completions below the directories of XDG_DATA_DIRS, whose value when it is not set is that of the XDG base directories.
 */
const SH = [
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's
  'case ":${PATH-}:" in',
  '  *":$abnpkg_profile/bin:"*) ;;',
  '  *)',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's
  '    export PATH="$abnpkg_profile/bin:$abnpkg_profile/sbin${PATH:+:$PATH}"',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's
  '    export MANPATH="$abnpkg_profile/share/man:${MANPATH-}"',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's
  '    export INFOPATH="$abnpkg_profile/share/info:${INFOPATH-}"',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's
  '    export XDG_DATA_DIRS="$abnpkg_profile/share:${XDG_DATA_DIRS:-/usr/local/share:/usr/share}" ;;',
  'esac',
]

/** Not exported, hence set in every shell; before compinit is called. */
const ZSH = ['fpath=("$abnpkg_profile/share/zsh/site-functions" $fpath)', 'typeset -gU fpath']

/** fish reads XDG_DATA_DIRS before its startup file, so that completions are named as well. */
const FISH = [
  'if not contains -- $abnpkg_profile/bin $PATH',
  '    set -gx PATH $abnpkg_profile/bin $abnpkg_profile/sbin $PATH',
  "    set -q MANPATH; or set -g MANPATH ''",
  '    set -gx MANPATH $abnpkg_profile/share/man $MANPATH',
  "    set -q INFOPATH; or set -g INFOPATH ''",
  '    set -gx INFOPATH $abnpkg_profile/share/info $INFOPATH',
  '    set -q XDG_DATA_DIRS; or set -g XDG_DATA_DIRS /usr/local/share:/usr/share',
  '    set -gx XDG_DATA_DIRS "$abnpkg_profile/share:$XDG_DATA_DIRS"',
  'end',
  'if not contains -- $abnpkg_profile/share/fish/vendor_completions.d $fish_complete_path',
  '    set -g fish_complete_path $fish_complete_path $abnpkg_profile/share/fish/vendor_completions.d',
  '    set -g fish_function_path $fish_function_path $abnpkg_profile/share/fish/vendor_functions.d',
  'end',
]
