/** How a person does on a host what the host program does there; `{job}` stands for the job's id. */
export interface ByHand {
  readonly stopJob: string;
  readonly jobLog: string;
}

/** Commands over what the host program keeps of a job (`libs/hosts/src/agent/host/1-base.sh`); a job's command leads a group of its own. */
export function byHand(root: string): ByHand {
  const folder = `${root.replace(/\/$/, '')}/.understudy/v1/jobs/{job}`;
  const quoted = `'${folder.replaceAll("'", `'\\''`)}'`;
  return { stopJob: `kill -TERM -- "-$(cut -d' ' -f1 ${quoted}/pid)"`, jobLog: `tail -n 40 ${quoted}/log` };
}
