#include <stdlib.h>
#include <string.h>

#include "pairdump/audit.h"
#include "pairdump/size.h"

int pd_audit_compare(const void *a, const void *b)
{
    const struct pd_audit_volume *x = a, *y = b;
    int order = (x->verified > y->verified) - (x->verified < y->verified);

    return order != 0 ? order : strcmp(x->label, y->label);
}

/* a * b / c, or UINT64_MAX; c > 0. */
static uint64_t scale(uint64_t a, uint64_t b, uint64_t c)
{
    unsigned __int128 value = (unsigned __int128)a * b / c;

    return value > UINT64_MAX ? UINT64_MAX : (uint64_t)value;
}

uint64_t pd_audit_estimate(const struct pd_audit_volume *volume, uint64_t bytes)
{
    return volume->known_bytes == 0 ? 0 : scale(bytes, volume->known_ns, volume->known_bytes);
}

/* Time that the picked ones before it take at its place. */
static uint64_t used_at(const struct pd_audit_volume *volumes, const struct pd_audit_volume *volume)
{
    uint64_t ns = 0;

    for (const struct pd_audit_volume *v = volumes; v < volume; v++) {
        if (v->place == volume->place) {
            ns = pd_add_sat(ns, pd_audit_estimate(v, v->take));
        }
    }
    return ns;
}

static bool has_part_at(const struct pd_audit_volume *volumes, const struct pd_audit_volume *volume)
{
    for (const struct pd_audit_volume *v = volumes; v < volume; v++) {
        if (v->place == volume->place && v->take > 0 && v->take < v->bytes) {
            return true;
        }
    }
    return false;
}

/* Bytes of it that there is time for. Behind one that did not fit, no younger one is squeezed in.
 */
static uint64_t in_time(const struct pd_audit_volume *volumes, const struct pd_audit_volume *volume,
                        uint64_t ns)
{
    uint64_t used = used_at(volumes, volume);

    if (used >= ns || has_part_at(volumes, volume)) {
        return 0;
    }
    return volume->known_ns == 0 ? UINT64_MAX
                                 : scale(ns - used, volume->known_bytes, volume->known_ns);
}

void pd_audit_pick(struct pd_audit_volume *volumes, size_t count,
                   const struct pd_audit_budget *budget)
{
    uint64_t left = budget->bytes;
    size_t picked = 0;

    for (size_t i = 0; i < count; i++) {
        volumes[i].take = volumes[i].take_archives = 0;
    }
    for (size_t i = 0; i < count && left > 0; i++) {
        struct pd_audit_volume *v = &volumes[i];
        bool to_be_timed = budget->ns != UINT64_MAX && v->known_ns == 0;
        uint64_t room = left;

        if (v->out || v->bytes == 0) {
            continue;
        }
        if (to_be_timed && picked > 0) {
            break;
        }
        if (budget->ns != UINT64_MAX) {
            uint64_t timed = in_time(volumes, v, budget->ns);
            room = timed < room ? timed : room;
        }
        v->take = v->bytes < room ? v->bytes : room;
        left -= v->take;
        picked += v->take > 0;
        if (to_be_timed) {
            break;
        }
    }
}
