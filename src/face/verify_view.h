/*
 * verify_view: what was found out about a copy that was read back, for people and programs.
 */
#ifndef PAIRDUMP_FACE_VERIFY_VIEW_H
#define PAIRDUMP_FACE_VERIFY_VIEW_H

#include <jansson.h>
#include <stdio.h>

#include "pairdump/verify.h"

/* A line, and one for each damage. */
void pd_verify_view_print(FILE *out, const struct pd_verify_result *result);
json_t *pd_verify_view_json(const struct pd_verify_result *result);
void pd_verify_view_damage(FILE *out, const struct pd_damage *damage);
json_t *pd_verify_view_damage_json(const struct pd_damage *damage);

#endif
