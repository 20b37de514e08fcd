/**
 * The one error class and the one table of codes. A failure that a person can meet is an AbnError; a programming mistake
 * stays a TypeError or an assertion. Codes are never renumbered or reused; docs/ERRORS.md is generated from the table.
 *
 * To add a code: put a row into its group (one group a room, rows sorted within the group), say in one sentence what has
 * happened, then run `ACCEPT=1 npx ava test/format/generated.test.ts` to regenerate docs/ERRORS.md.
 */
export class AbnError extends Error {
  readonly code: ErrorCode
  /** What to do or type next, one sentence; undefined when there is nothing useful to say. */
  readonly hint: string | undefined

  constructor(code: ErrorCode, message: string, options: { readonly hint?: string; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'AbnError'
    this.code = code
    this.hint = options.hint
  }
}

export type ErrorCode = keyof typeof ERRORS

export const ERRORS = {
  // format
  ABN_ARCHIVE_INVALID: 'An archive is not the canonical archive of the item it should hold; nothing of it was kept.',
  ABN_ARCHIVE_LIMIT: 'An archive is larger, deeper or more compressed than the limits allow.',
  ABN_DERIVATION_INVALID: 'A derivation does not follow docs/formats/derivation.md.',
  ABN_HASH_INVALID: 'A text that should be a SHA-256 hash is not 64 lowercase hexadecimal digits.',
  ABN_JSON_INVALID: 'A document is not canonical JSON (docs/formats/canonical-json.md), or is too large or too deep.',
  ABN_LOCKFILE_CONFLICT: 'The file abnpkg.lock holds the marks that git leaves where it could not merge.',
  ABN_LOCKFILE_INVALID: 'The file abnpkg.lock does not follow docs/formats/lockfile.md; nothing of it is used.',
  ABN_NAME_INVALID: 'A package name, version or output name has characters or a length that are not allowed.',
  ABN_PROJECT_INVALID:
    'The file abnpkg.json has a field, name or range that is unknown or not allowed; nothing of it is used.',
  ABN_STORE_PATH_INVALID: 'A text that should be a store path is none.',

  // store
  ABN_DIRECTORY_CHANGED: 'A file changed while it was being hashed.',
  ABN_DISK_FULL: 'There is no space left on the disk; nothing was registered.',
  ABN_ITEM_INVALID: 'The record of a store item is damaged.',
  ABN_ITEM_MISSING: 'A store item that is needed is not in the store.',
  ABN_LOCK_UNAVAILABLE: 'A lock could not be taken.',
  ABN_OUTPUT_BUILD_REFERENCE: 'An output refers to the build directory, which no longer exists when it is used.',
  ABN_OUTPUT_CYCLE: 'Outputs of one derivation refer to each other in a circle.',
  ABN_OUTPUT_DIFFERS: 'An output was built again with other bits than those in the store.',
  ABN_OUTPUT_FILE_KIND: 'An output holds a device, socket or named pipe.',
  ABN_OUTPUT_LINK: 'An output holds a symbolic link that leads out of the store.',
  ABN_OUTPUT_NAME:
    'An output holds a file name or the target of a symbolic link that is not valid UTF-8, or a path that is too long.',
  ABN_OUTPUT_NOT_DIRECTORY: 'A build made no output directory.',
  ABN_OUTPUT_SET_UID: 'An output holds a set-user-ID or set-group-ID file.',
  ABN_PROFILE_COLLISION: 'Two packages of one profile bring the same file.',
  ABN_PROFILE_INVALID: 'A profile or its manifest is damaged, or has a name that is not allowed.',
  ABN_STORE_NEWER: 'The store was written by a newer abnpkg.',
  ABN_STORE_UNUSABLE: 'The store directory cannot be created, read or written.',

  // trust
  ABN_BUNDLE_INVALID: 'A bundle of evidence does not follow docs/formats/bundle.md.',
  ABN_CHECKPOINT_INVALID: 'A checkpoint of a log does not follow docs/formats/log.md.',
  ABN_CHECKPOINT_ORIGIN: 'A checkpoint is that of another log.',
  ABN_DECISION_DIFFERS: 'A stored decision does not follow from its evidence and its policy.',
  ABN_DECISION_INVALID: 'The record of a decision is damaged.',
  ABN_ENVELOPE_INVALID: 'A signed envelope does not follow docs/formats/attestation.md.',
  ABN_KEY_FILE_INVALID: 'The file of a secret key is damaged.',
  ABN_KEY_INVALID: 'A text that should be a public key is none.',
  ABN_KEY_PASSPHRASE: 'The passphrase of a secret key is missing or wrong.',
  ABN_LOG_ENTRY: 'An entry is too long for a log.',
  ABN_LOG_PROOF: 'A proof does not show that an entry is in a log, or that a log has only grown.',
  ABN_LOG_PROOF_FILE: 'A proof file of a log does not follow docs/formats/log.md.',
  ABN_LOG_TILE: 'A file of a log does not hold what its name says.',
  ABN_NOTE_INVALID: 'A signed note does not follow docs/formats/log.md.',
  ABN_NOTE_UNSIGNED: 'A signed note is not signed by the key that should have signed it.',
  ABN_OPERATOR_INVALID: 'The description of an operator does not follow docs/formats/key.md.',
  ABN_POLICY_INVALID: 'A policy does not follow docs/formats/policy.md; nothing is accepted under it.',
  ABN_REVOCATION_INVALID: 'A list of revocations does not follow docs/formats/revocation.md.',
  ABN_SESSION_INVALID: 'A session of a builder does not follow docs/formats/session.md.',
  ABN_SIGNATURE_INVALID: 'A signature is not one by the key that it names.',
  ABN_STATEMENT_INVALID: 'A build statement does not follow docs/formats/statement.md.',
  ABN_TEE_CERTIFICATE: 'A certificate in the evidence of a TEE does not lead to the expected root, or not in its role.',
  ABN_TEE_COLLATERAL:
    'What the maker of a TEE signs about its platforms is damaged, not valid now or signed by another.',
  ABN_TEE_CRL: 'A list of revoked certificates of a TEE is missing, damaged, not valid now or signed by another.',
  ABN_TEE_EVENT_LOG: 'The event log of a TEE does not follow docs/formats/event-log.md.',
  ABN_TEE_IMAGE: 'A firmware or kernel image is not one whose measurement can be computed.',
  ABN_TEE_FILE: 'A file with evidence of a TEE cannot be read.',
  ABN_TEE_PLATFORM: 'A quote is from a platform, TDX module or quoting enclave that the collateral does not vouch for.',
  ABN_TEE_QUOTE: 'A quote of a TEE does not follow docs/formats/tee.md.',
  ABN_TEE_REVOKED: 'A certificate in the evidence of a TEE is revoked.',
  ABN_TEE_SIGNATURE: 'A quote of a TEE is not signed by the keys that vouch for it.',
  ABN_WITNESS_REFUSED: 'A witness did not cosign a checkpoint.',
  ABN_WITNESS_REQUEST: 'A request to a witness does not follow docs/formats/log.md.',

  // builder/log, builder/monitor
  ABN_CLOCK: 'The clock of this machine is behind what the witnesses of a log have signed.',
  ABN_LOG_ALARM: 'A file that should show the misbehaviour of a log is damaged.',
  ABN_LOG_TROUBLE: 'A log has shown two trees that nobody can prove to be one; nothing that it vouches for counts.',
  ABN_LOG_UNKNOWN: 'Nobody has named the key of a log, so that nothing of it can be checked.',
  ABN_MONITOR_STATE: 'The state of a monitor is damaged, in use, or cannot be written.',

  // builder/realise
  ABN_BUILD_DISK: 'A build wrote more to the disk than it may, and was stopped.',
  ABN_BUILD_FAILED: 'A step of a build failed.',
  ABN_BUILD_LOG: 'A build printed more than its log may hold, and was stopped.',
  ABN_BUILD_MEMORY: 'A build used more memory than it may, and was stopped.',
  ABN_BUILD_PROCESSES: 'A build started more processes than it may, and was stopped.',
  ABN_BUILD_SILENT: 'A build said nothing for too long, and was stopped.',
  ABN_BUILD_TIME: 'A build took longer than it may, and was stopped.',
  ABN_INPUT_UNKNOWN: 'A recipe needs another one that is not among those evaluated.',
  ABN_SMOKE_FAILED: 'A package was built, but one of its smoke tests failed; it was not put into the store.',
  ABN_SOURCE_COLLISION:
    'A file that a recipe adds cannot be put where the recipe says, because of what the sources hold.',

  // builder/environment
  ABN_CONTAINER_DIRECTORY: 'A directory cannot be shown in a container.',
  ABN_CONTAINER_SHELL: 'There is no shell for a container among the packages.',
  ABN_DEVELOP_DIRECTORY: 'A directory does not hold the sources that a recipe is developed with.',
  ABN_SHELL_MISSING: 'There is no shell on this machine.',

  // builder/sandbox
  ABN_SANDBOX_ENDED: 'A sandbox was ended by something outside abnpkg, for example because memory ran out.',
  ABN_SANDBOX_FORBIDDEN: 'This machine does not let this user make the namespaces that a sandbox needs.',
  ABN_SANDBOX_KERNEL: 'The kernel is too old for the sandbox.',
  ABN_SANDBOX_SETUP: 'A sandbox could not be set up, for a reason that should not occur.',
  ABN_SANDBOX_UNSHARE: "The program 'unshare' of util-linux is missing or too old.",

  // builder/substitute
  ABN_BUILD_DECLINED: 'A build that would take long was not confirmed.',
  ABN_BUILD_NEEDED: 'Something has to be built from source, and the command line forbids that.',
  ABN_BUILD_TOO_LONG: 'What has to be built from source is expected to take longer than the command line allows.',
  ABN_CACHE_ADDRESS: 'A text that should be the address of a cache is none.',
  ABN_CACHE_ANSWER: 'A cache answered with what does not follow docs/cache-api.md, too slowly, or not at all.',
  ABN_CACHE_UNKNOWN: 'The cache is not among those that are configured.',
  ABN_CHALLENGE_NOTHING: 'There is nothing to compare with: no configured operator attests an output.',
  ABN_CONFIGURATION: 'The configuration directory cannot be read or written, or a file in it is not valid.',
  ABN_DECISION_MISSING: 'No decision is recorded for a package: nothing was asked, or the record is gone.',
  ABN_POLICY_EXISTS: 'There is a policy already; it is not overwritten.',
  ABN_POLICY_MISSING: 'No policy is configured, so that nothing is substituted.',
  ABN_SUBSTITUTE_FAILED: 'No cache has the output that the policy accepted.',
  ABN_SUBSTITUTE_REFERENCES: 'A substituted output refers to other store paths than was attested.',
  ABN_SUBSTITUTE_WRONG: 'What a cache sent is not the output that the policy accepted; it was dropped.',

  // builder/tee
  ABN_TEE_FETCH: 'What the maker of a TEE signs about its platforms could not be fetched, and nothing kept will do.',
  ABN_TEE_GUEST: "The kernel's interface to a TEE answered with something else than what it was asked for.",
  ABN_TEE_UNAVAILABLE: 'This machine is no guest of a TEE, or gives this user no quotes.',

  // builder/service
  ABN_ATTEST_INPUT:
    'What a package was built from is gone from the store, or has changed, so that the package cannot be attested.',
  ABN_ATTEST_MISSING: 'A package that is to be attested is not in the store.',
  ABN_ATTEST_REVOKED: 'The statement about a build was revoked by the key that is to make it again.',
  ABN_ATTEST_SUBSTITUTED: 'A package was not built on this machine, so that this machine cannot attest it.',
  ABN_BUILDER_BUSY: 'Another builder works on the same store.',
  ABN_BUILDER_CONFIG: 'The configuration of a builder has a field that is unknown, missing or not allowed.',
  ABN_BUILDER_LISTEN: 'A builder cannot listen on the address that its configuration names.',
  ABN_BUILDER_SESSION:
    "A build began or ended outside its session by this machine's clock, so that the session cannot sign it.",
  ABN_BUILDER_TASKS: 'A builder ended with tasks that failed.',
  ABN_BUILDER_STATE: 'What a builder remembers of a task is damaged.',
  ABN_KEY_DIRECTORY: 'The directory of secret keys cannot be read or written.',
  ABN_KEY_EXISTS: 'There is already a key of that name.',
  ABN_KEY_NAME: 'A text cannot be the name of a key.',
  ABN_KEY_PERMISSIONS: 'A secret can be read by others than its owner, and is not used.',
  ABN_KEY_REVOKED: 'A secret key has revoked itself and signs nothing any more.',
  ABN_KEY_UNKNOWN: 'There is no secret key of that name, or more than one to choose from.',
  ABN_PUBLISH_ADDRESS: 'A text is not the address of a cache.',
  ABN_PUBLISH_ITEM: 'An output in the store is not what was registered, and was not published.',
  ABN_PUBLISH_REFUSED: 'A cache did not take what was published, or answers as no cache does.',
  ABN_PUBLISH_SESSIONS: 'A cache does not take sessions of builders, so that it cannot be given what they signed.',
  ABN_PUBLISH_UNREACHABLE: 'A cache to publish to could not be reached.',

  // cli/project
  ABN_LOCKFILE_DIFFERS: 'What was built or fetched, or would be, is not what abnpkg.lock says.',
  ABN_LOCKFILE_MISSING: 'There is no abnpkg.lock, and the command line (or CI) does not let one be made.',
  ABN_LOCKFILE_OUTDATED:
    'The file abnpkg.lock does not fit abnpkg.json any more, and the command line (or CI) does not let it be changed.',
  ABN_LOCKFILE_RECIPE: 'The recipe that abnpkg.lock names is not among the recipes at hand.',
  ABN_LOCKFILE_WEAKER:
    'What would be fetched satisfied less than what abnpkg.lock says was satisfied when it was made.',
  ABN_PROJECT_CHANGED:
    'The file abnpkg.json or abnpkg.lock changed while a command was at work on it; neither was written.',
  ABN_PROJECT_CHANNEL:
    'A project takes packages from a channel that the user does not have under that name and address.',
  ABN_PROJECT_FILE:
    'The file abnpkg.json or abnpkg.lock is not a plain file, is too large, or cannot be read or written.',
  ABN_PROJECT_MISSING: 'There is no abnpkg.json in this directory or above it.',
  ABN_PROJECT_PACKAGE: 'The package is not among those of the project.',

  // cli (and the launcher)
  ABN_BUG: 'Something that abnpkg itself should have prevented; please report it.',
  ABN_CHECK_DIFFERS: 'Building again gave other bits.',
  ABN_COMMAND_UNKNOWN: 'There is no such command.',
  ABN_CURRENT_DIRECTORY: 'The current directory was removed.',
  ABN_EVIDENCE_FILE: 'A file with evidence cannot be read, or written without overwriting another.',
  ABN_GENERATION_CURRENT: 'The current generation of a profile was to be deleted.',
  ABN_GENERATION_UNKNOWN: 'A profile has no such generation.',
  ABN_INTERRUPTED: 'The command was interrupted; what was complete is kept, nothing else.',
  ABN_LOG_MISSING: 'There is no build log of this package on this machine.',
  ABN_MANIFEST_FILE: 'The file of a manifest cannot be read, or written without overwriting another.',
  ABN_NOT_INSTALLED: 'The package is not installed in the profile.',
  ABN_PROGRAM_UNKNOWN: 'A package has no such program, or more than one to choose from.',
  ABN_ROOT_UNKNOWN: 'There is no root of that name that was made by a person.',
  ABN_SETUP: 'The dependencies of abnpkg itself could not be installed.',
  ABN_STDOUT: 'Standard output cannot be written, for example because the disk is full.',
  ABN_SYSTEM: 'This machine is not x86-64 Linux.',
  ABN_USAGE: 'A command line that abnpkg does not understand; the exit status is 2.',

  // builder/fetch
  ABN_SOURCE_ADDRESS: 'A source has an address that is not http, https or a known mirror name.',
  ABN_SOURCE_CACHE: 'The directory that caches sources cannot be created, read or written.',
  ABN_SOURCE_GIT: 'A git source could not be read.',
  ABN_SOURCE_LOCAL:
    'A source that belongs to the channel is missing, or is not below its recipes or bootstrap directory.',
  ABN_SOURCE_NOT_FOUND: 'A source is at none of its addresses; the hosts answered, but do not have it.',
  ABN_SOURCE_OFFLINE: 'A source is not in the cache, and downloading is switched off.',
  ABN_SOURCE_UNREACHABLE: 'A source could not be downloaded because its hosts could not be reached.',
  ABN_SOURCE_WRONG_HASH: 'A source has another SHA-256 than the recipe says.',

  // builder/unpack
  ABN_PATCH_FAILED: 'A patch does not fit the source exactly.',
  ABN_PATCH_INVALID: 'A patch is not a unified diff that can be applied strictly.',
  ABN_UNPACK_DAMAGED: 'A source archive is damaged, cut short or of another kind than the recipe says.',
  ABN_UNPACK_DUPLICATE: 'A source archive holds two entries of one name.',
  ABN_UNPACK_ENTRY: 'A source archive holds a device, a named pipe or another entry that cannot be unpacked.',
  ABN_UNPACK_LIMIT: 'A source archive is larger, more numerous or more compressed than the limits allow.',
  ABN_UNPACK_LINK: 'A source archive holds a link that leads out of its directory, or writes through one.',
  ABN_UNPACK_NAME: 'A source archive holds a name that is absolute, leads out of its directory or is too long.',

  // builder/authoring
  ABN_AUTHORING_ARCHIVE:
    'A first recipe cannot be written for an archive: it is of no known kind, or has no name and version.',
  ABN_AUTHORING_EXISTS: 'There is a recipe of that name in the directory already.',
  ABN_AUTHORING_LINT: 'A recipe has something that should be changed.',
  ABN_AUTHORING_REWRITE: 'A recipe is not written so that its version and hash could be replaced.',
  ABN_UPSTREAM_UNKNOWN: 'None of the places that abnpkg knows has the sources that were asked for.',
  ABN_UPSTREAM_UNREACHABLE: 'Those who publish the sources could not be asked.',

  // builder/channels
  ABN_CHANNEL_ADDRESS: 'The address or branch of a channel is not one that abnpkg fetches from.',
  ABN_CHANNEL_COMMIT: 'A commit of a channel was not named in full.',
  ABN_CHANNEL_DIFFERS: 'A commit of a channel does not hold what was recorded of it.',
  ABN_CHANNEL_EXISTS: 'There is a channel of that name already.',
  ABN_CHANNEL_FETCH: 'A channel could not be fetched.',
  ABN_CHANNEL_FILE: 'The file .abnpkg-channel.json of a channel is missing or does not follow docs/formats/channel.md.',
  ABN_CHANNEL_HISTORY: 'The commits of a channel are not complete, or do not all come from its introduction.',
  ABN_CHANNEL_KEY: 'A text that should be a key of a channel is no Ed25519 key as SSH writes it.',
  ABN_CHANNEL_NAME: 'A channel cannot have that name.',
  ABN_CHANNEL_OBJECT: 'A commit, directory or file in the repository of a channel is damaged or not allowed.',
  ABN_CHANNEL_OFFLINE: 'A channel is needed that is not on this machine, in a run that is offline.',
  ABN_CHANNEL_ROLLBACK: 'The newest commit of a channel does not come after the one that was recorded.',
  ABN_CHANNEL_SIGNATURE: 'A signature made with SSH does not hold.',
  ABN_CHANNEL_TREE: 'What a channel holds cannot be used: it is too large, has links, or has no recipes.',
  ABN_CHANNEL_UNKNOWN: 'There is no channel of that name.',
  ABN_CHANNEL_UNTRUSTED: 'A commit of a channel is not signed by a key that may commit to it.',

  // builder/evaluate
  ABN_CHANNEL_UNREADABLE: 'The recipes of a channel cannot be read, or lie behind a symbolic link.',
  ABN_EVALUATION_CACHE_DAMAGED: 'What was remembered of an earlier evaluation is damaged; it has been removed.',
  ABN_EVALUATOR_FAILED: 'The interpreter that evaluates recipes failed itself.',
  ABN_MANIFEST_INVALID: 'A manifest cannot be evaluated, or does not say what a profile shall hold.',
  ABN_PACKAGE_SPEC: 'A package was asked for in a form that is not NAME, NAME@VERSION or NAME@RANGE.',
  ABN_PACKAGE_UNKNOWN: 'There is no package of that name.',
  ABN_PACKAGE_VERSION: 'There is a package of that name, but in no version that was asked for.',
  ABN_RECIPE_CYCLE: 'Recipes need each other to be built.',
  ABN_RECIPE_DUPLICATE: 'Two recipes have the same name and version.',
  ABN_RECIPE_NEEDS_BROKEN: 'A recipe needs another one that is broken.',
  ABN_RECIPE_EXCEPTION: 'A recipe threw an error.',
  ABN_RECIPE_IMPORT: 'A recipe imports what is not there, or what recipes cannot import.',
  ABN_RECIPE_IMPURE: 'A recipe uses the clock or randomness.',
  ABN_RECIPE_INVALID: 'A field of a recipe is missing, unknown or has a value that is not allowed.',
  ABN_RECIPE_LOCAL_FILE:
    'A file that a recipe takes from its channel is missing, or is not a plain file where it may be.',
  ABN_RECIPE_MEMORY_LIMIT: 'The recipes need more memory than they may.',
  ABN_RECIPE_SIZE_LIMIT: 'The recipes are larger, or make larger derivations, than they may.',
  ABN_RECIPE_STACK_LIMIT: 'A recipe is nested too deeply, in its calls or in its text.',
  ABN_RECIPE_SYNTAX: 'A recipe is not valid TypeScript, or needs more than its types erased.',
  ABN_RECIPE_TIME_LIMIT: 'The recipes did not end in the time that they may take.',

  // cache-server
  ABN_CACHE_CLOCK: "A write to a cache was signed at a time too far from the cache's own clock.",
  ABN_CACHE_CONFIG: 'The configuration of a cache server has a field that is unknown, missing or not allowed.',
  ABN_CACHE_DATA: 'The data directory of a cache server is in use, damaged or written by a newer version.',
  ABN_CACHE_FAULT: 'A cache server failed, for a reason that its operator finds in its log.',
  ABN_CACHE_FOREIGN: 'A write to a cache touches what belongs to another operator.',
  ABN_CACHE_LIMIT: 'A request to a cache is larger than the cache allows, or there are too many uploads.',
  ABN_CACHE_LISTEN: 'A cache server cannot listen on its address.',
  ABN_CACHE_NOT_FOUND: 'A cache does not have what was asked for.',
  ABN_CACHE_RANGE: 'A range of bytes was asked for that is not in the file.',
  ABN_CACHE_RATE: 'A client asked a cache too often in a short time.',
  ABN_CACHE_REPLAYED: 'A signed write to a cache came a second time.',
  ABN_CACHE_REQUEST: 'A request to a cache does not follow docs/cache-api.md.',
  ABN_CACHE_STATEMENT_REFUSED: 'A cache did not take a statement: it does not verify, or contradicts the archive.',
  ABN_CACHE_UNAUTHORISED: 'A write to a cache has no valid signature of a registered operator.',
  ABN_CACHE_UPLOAD_BUSY: 'Another request is writing to the same upload.',
  ABN_CACHE_UPLOAD_OFFSET: 'A piece of an upload begins elsewhere than where the last one ended.',
  ABN_CACHE_UPLOAD_REFUSED: 'An uploaded file is not what it was declared to be; it was dropped.',
  ABN_CACHE_UPSTREAM: 'The upstream of a mirror could not be reached, or sent what does not verify.',
} satisfies Record<string, string>
