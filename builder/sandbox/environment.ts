/** The environment variables of every build. A derivation may add to them but not change them. */

/** `outputs`: output name → store path; `own`: the derivation's variables, which come first and lose. */
export function buildEnvironment(
  own: Readonly<Record<string, string>>,
  { outputs, cores }: { readonly outputs: ReadonlyMap<string, string>; readonly cores: number },
): Readonly<Record<string, string>> {
  return { ...own, ...Object.fromEntries(outputs), ...fixedVariables, ABN_CORES: String(cores) }
}

/** Variables with the same value in every build, on every machine. */
export const fixedVariables: Readonly<Record<string, string>> = {
  HOME: '/homeless', // does not exist, so that nothing is read from there or left there
  TMPDIR: '/tmp',
  TZ: 'UTC',
  LC_ALL: 'C',
  SOURCE_DATE_EPOCH: '1',
}
