/* tcc asks for it; everything is said on the command line. */
