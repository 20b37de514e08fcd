import { ar } from './ar.ts'
import { busybox } from './busybox.ts'
import { make } from './make.ts'
import { tcc } from './tcc.ts'

/** What it takes to build a program in C. Other tools go in front: busybox has many small ones. */
export const toolchain = [tcc, ar, make, busybox]
