/*
 * drive_mock_priv: one SIMH image as a map of its objects.
 *
 * Invariants: objects 0..count-1 lie behind each other in the image from byte 0, and end_at,
 * end_data, end_file and end_base are what an object number `count` would have as at, data, file
 * and base. What the image holds behind end_at is not recorded data: the tail that a killed writer
 * left, or, if `damaged`, something that cannot be understood and is neither passed nor overwritten
 * from behind.
 */
#ifndef PAIRDUMP_DRIVE_MOCK_PRIV_H
#define PAIRDUMP_DRIVE_MOCK_PRIV_H

#include "pairdump/simh.h"

struct pd_drive_mock_object {
    uint64_t at;   /* byte of the image where it begins */
    uint64_t data; /* data bytes of all records before it */
    uint64_t file; /* filemarks before it */
    uint64_t base; /* number of the first object of its tape file */
    uint32_t len;
    enum pd_simh_kind kind;
};

struct pd_drive_mock_image {
    int fd; /* -1: no cartridge */
    bool read_only;
    struct pd_drive_mock_object *objects;
    uint64_t count, room;
    uint64_t end_at, end_data, end_file, end_base;
    uint64_t size; /* bytes of the image file */
    bool damaged;
    bool dirty;       /* something was written since the last fsync */
    bool sync_failed; /* an fsync failed: what was written before is lost, and stays so */
    bool cached;      /* something was written since the cache was last dropped */
};

#define PD_DRIVE_MOCK_IMAGE_NONE                                                                   \
    {                                                                                              \
        .fd = -1                                                                                   \
    }

/* Takes fd over, closed also on failure. name is for messages. */
PD_MUST_USE enum pd_status pd_drive_mock_image_open(struct pd_drive_mock_image *image, int fd,
                                                    const char *name, struct pd_error *err);
/* Data bytes before object number pos, which may be count. */
uint64_t pd_drive_mock_image_data(const struct pd_drive_mock_image *image, uint64_t pos);
/* The record number pos, whole, in buf of at least its length. */
PD_MUST_USE enum pd_status pd_drive_mock_image_read(struct pd_drive_mock_image *image, uint64_t pos,
                                                    void *buf, struct pd_error *err);
/* A record, or with data NULL a filemark, as object number pos; all behind it is gone.
 * PD_VOLUME_FULL: the file system of the image is full, and the image ends at pos. */
PD_MUST_USE enum pd_status pd_drive_mock_image_write(struct pd_drive_mock_image *image,
                                                     uint64_t pos, const void *data, uint32_t len,
                                                     struct pd_error *err);
PD_MUST_USE enum pd_status pd_drive_mock_image_sync(struct pd_drive_mock_image *image,
                                                    struct pd_error *err);
/* Reads reach the medium after this. */
void pd_drive_mock_image_drop_cache(struct pd_drive_mock_image *image);
/* Syncs, closes and frees; none open: PD_OK. */
PD_MUST_USE enum pd_status pd_drive_mock_image_close(struct pd_drive_mock_image *image,
                                                     struct pd_error *err);

#endif
