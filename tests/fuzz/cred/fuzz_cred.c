#include "pairdump/cred.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Any bytes: no crash; a refusal leaves nothing behind and names the file, no value is longer
 * than a line, and release leaves nothing either. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct pd_cred empty;
    struct pd_error err = PD_ERROR_INIT;
    struct pd_cred cred;
    enum pd_status status = pd_cred_parse((const char *)data, size, "fuzz.cnf", &cred, &err);

    if (status != PD_OK) {
        if (status != PD_CREDENTIALS || memcmp(&cred, &empty, sizeof cred) != 0 ||
            strncmp(err.message, "fuzz.cnf", 8) != 0 || strpbrk(err.message, "\n\r\033")) {
            abort();
        }
        return 0;
    }
    const char *const texts[] = {cred.user,     cred.password, cred.host,     cred.socket,
                                 cred.database, cred.ssl_ca,   cred.ssl_cert, cred.ssl_key};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i] && strlen(texts[i]) > 197) {
            abort();
        }
    }
    if (cred.port > 65535 || cred.connect_timeout > 65535) {
        abort();
    }
    pd_cred_release(&cred);
    if (memcmp(&cred, &empty, sizeof cred) != 0) {
        abort();
    }
    return 0;
}
