import { tarball } from 'abnpkg'

export const tccVersion = '0.9.27+git20200814'

/** tcc as of 14 August 2020, with our patch, unpacked at `to`. Debian's archive is made from the git repository. */
export const tccSource = (to = '.') =>
  tarball({
    urls: ['mirror://debian/pool/main/t/tcc/tcc_0.9.27+git20200814.62c30a4a.orig.tar.bz2'],
    sha256: 'd63c113bcdd657f51c8ee197a0b0a24203603313e19a52b5f678d40ab7f5df35',
    strip: 0,
    to,
    patches: ['recipes/patches/tcc.patch'],
  })
