// A worker in another language, written from the contract alone: it joins with the spaces of a 3-number observation and
// a 2-number action, pushes one chunk of 4 steps, and prints what the learner acknowledged as JSON.
// Usage: node client.js HOST:PORT DIRECTORY_OF_PROTOS

const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const [address, protos] = process.argv.slice(2);
const definition = loader.loadSync("distrib_l2r/v1/learner_service.proto", {
  includeDirs: [protos],
  longs: Number,
  enums: String,
});
const { LearnerService } = grpc.loadPackageDefinition(definition).distrib_l2r.v1;
const client = new LearnerService(address, grpc.credentials.createInsecure());
const sessionId = "node-" + process.pid;

function tensor(shape, values) {
  const data = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => data.writeFloatLE(value, index * 4));
  return { dataType: "DATA_TYPE_FLOAT32", shape, data };
}

function box(size, low, high) {
  return { dataType: "DATA_TYPE_FLOAT32", shape: [size], low: tensor([], [low]), high: tensor([], [high]) };
}

function call(method, request) {
  return new Promise((resolve, reject) => {
    const deadline = Date.now() + 30_000;
    client[method](request, { deadline }, (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}

function push(fingerprint) {
  return new Promise((resolve, reject) => {
    const stream = client.pushTrajectories({ deadline: Date.now() + 30_000 });
    let newest;
    stream.on("data", (answer) => (newest = answer));
    stream.on("error", reject);
    stream.on("end", () => resolve(newest));
    stream.write({ header: { sessionId, graphFingerprint: fingerprint } });
    stream.write({
      chunk: {
        sequence: 1,
        episodeId: 1,
        firstStep: 0,
        policyVersion: 1,
        purpose: "PURPOSE_TRAINING",
        observation: [{ name: "observation", tensor: tensor([5, 3], Array.from({ length: 15 }, (_, i) => i)) }],
        action: tensor([4, 2], Array(8).fill(0.5)),
        reward: tensor([4], [1, 2, 3, 4]),
        ending: "ENDING_TERMINATED",
        summary: { length: 4, episodeReturn: 10 },
      },
    });
    stream.end();
  });
}

async function main() {
  const run = await call("joinRun", {
    protocolVersion: 1,
    workerName: "node",
    sessionId,
    spaces: {
      observation: [{ name: "observation", box: box(3, -Infinity, Infinity) }],
      action: box(2, -1, 1),
    },
  });
  const acknowledgement = await push(run.graph.fingerprint);
  const { policy } = await call("getPolicy", { sessionId, knownVersion: 0 });
  console.log(
    JSON.stringify({
      role: run.assignment.role,
      committed: acknowledgement.committedSequence,
      version: policy.version,
      weights: policy.weights.map((weight) => weight.name),
    }),
  );
  client.close();
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
