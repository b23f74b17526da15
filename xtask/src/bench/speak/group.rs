//! A consumer group of one member, as far as its heartbeats and commits need it.

use super::{Connection, Frame, Reader};
use anyhow::{Context, Result, ensure};

const OFFSET_COMMIT: (i16, i16) = (8, 2);
const FIND_COORDINATOR: (i16, i16) = (10, 0);
const JOIN_GROUP: (i16, i16) = (11, 2);
const HEARTBEAT: (i16, i16) = (12, 1);
const SYNC_GROUP: (i16, i16) = (14, 1);

const SESSION_MS: i32 = 30_000;

/// Who is in the group.
pub struct Member {
    group: String,
    generation: i32,
    id: String,
}

impl Member {
    /// Joins, alone.
    pub fn join(connection: &mut Connection, group: &str) -> Result<Member> {
        // The group's partition may have to be made first: the coordinator is there when this is answered without an error.
        let find = Frame::new(FIND_COORDINATOR).text(group).finish();
        while i16::from_be_bytes(*connection.call(&find)?.first_chunk().context("a coordinator")?) != 0 {}
        let join =
            Frame::new(JOIN_GROUP).text(group).i32(SESSION_MS).i32(SESSION_MS).text("").text("consumer");
        let mut answer = Reader(connection.call(&join.i32(1).text("range").bytes(b"").finish())?);
        answer.i32()?;
        let code = answer.i16()?;
        ensure!(code == 0, "JoinGroup was answered with error {code}");
        let generation = answer.i32()?;
        answer.text()?;
        answer.text()?;
        let id = String::from_utf8(answer.text()?.to_vec())?;
        let member = Member { group: group.to_owned(), generation, id };
        let sync = member.frame(SYNC_GROUP).i32(1).text(&member.id).bytes(b"").finish();
        throttled(connection.call(&sync)?)?;
        Ok(member)
    }

    fn frame(&self, api: (i16, i16)) -> Frame {
        Frame::new(api).text(&self.group).i32(self.generation).text(&self.id)
    }

    /// Still there.
    pub fn heartbeat(&self) -> Vec<u8> {
        self.frame(HEARTBEAT).finish()
    }

    /// Commits an offset of partition 0.
    pub fn commit(&self, topic: &str, offset: i64) -> Vec<u8> {
        let head = self.frame(OFFSET_COMMIT).i64(-1).i32(1).text(topic);
        head.i32(1).i32(0).i64(offset).text("").finish()
    }
}

/// Refuses an answer to a heartbeat (or to SyncGroup) with an error code.
pub fn throttled(answer: &[u8]) -> Result<()> {
    let mut reader = Reader(answer);
    reader.i32()?;
    let code = reader.i16()?;
    ensure!(code == 0, "the group answered with error {code}");
    Ok(())
}

/// Refuses an answer to a commit of one partition with an error code.
pub fn committed(answer: &[u8]) -> Result<()> {
    let mut reader = Reader(answer);
    ensure!(reader.i32()? == 1, "one topic was committed");
    reader.text()?;
    reader.i32()?;
    reader.i32()?;
    let code = reader.i16()?;
    ensure!(code == 0, "the commit was answered with error {code}");
    Ok(())
}
