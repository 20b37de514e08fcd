/** A thread of remove-directories.ts. */
import { workerData } from 'node:worker_threads'
import { removeDirectory } from './remove-directory.ts'

const directory: string = workerData
removeDirectory(directory)
