// Health check: makes the replica set at the first start, then succeeds while this node takes writes.
const NOT_YET_INITIALIZED = 94;
const admin = db.getSiblingDB("admin");
admin.auth(process.env.MONGO_INITDB_ROOT_USERNAME, process.env.MONGO_INITDB_ROOT_PASSWORD);
try {
  admin.runCommand({ replSetGetStatus: 1 });
} catch (error) {
  if (error.code !== NOT_YET_INITIALIZED) {
    throw error;
  }
  admin.runCommand({ replSetInitiate: { _id: "speedscale", members: [{ _id: 0, host: "mongo:27017" }] } });
}
quit(admin.runCommand({ hello: 1 }).isWritablePrimary ? 0 : 1);
