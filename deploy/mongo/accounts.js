// Run once by the image's script, when the data directory is empty: the account that the web server uses.
// It may read, write and index the database of SpeedScale and look at the state of the set, and nothing else.
const database = process.env.MONGO_DB;
db.getSiblingDB("admin").createUser({
  user: "speedscale",
  pwd: process.env.MONGO_PASSWORD,
  roles: [
    { role: "readWrite", db: database },
    { role: "dbAdmin", db: database },
    { role: "clusterMonitor", db: "admin" },
  ],
});
