/*
 * banned: functions that do not compile in this project, each with what to use instead.
 *
 * Included before every file by the Makefile.
 */
#ifndef PAIRDUMP_BANNED_H
#define PAIRDUMP_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#pragma GCC poison strcpy  /* snprintf, or struct pd_buf */
#pragma GCC poison strcat  /* struct pd_buf */
#pragma GCC poison strncpy /* snprintf */
#pragma GCC poison strncat
#pragma GCC poison sprintf  /* snprintf */
#pragma GCC poison vsprintf /* vsnprintf */
#pragma GCC poison gets
#pragma GCC poison atoi /* pd_parse_u64 */
#pragma GCC poison atol
#pragma GCC poison atoll
#pragma GCC poison atof
#pragma GCC poison system    /* posix_spawn with an argv */
#pragma GCC poison popen     /* posix_spawn with an argv */
#pragma GCC poison localtime /* gmtime_r: times are UTC */
#pragma GCC poison localtime_r
#pragma GCC poison ctime_r
#pragma GCC poison gmtime /* gmtime_r */
#pragma GCC poison asctime
#pragma GCC poison mktemp /* mkstemp, O_TMPFILE */
#pragma GCC poison tmpnam
#pragma GCC poison strtok

#endif
