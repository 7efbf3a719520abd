#!/usr/bin/env node
/* Stands in for the terraform binary: the atmos CLI around it is the real one. A plan of the network has changes, nothing else has. */
import { writeFileSync } from 'node:fs';
import { basename } from 'node:path';

const [verb = '', ...rest] = process.argv.slice(2);
const out = rest.find((arg) => arg.startsWith('-out='))?.slice('-out='.length) ?? rest[rest.indexOf('-out') + 1];

if (verb === 'version') {
    console.log(rest.includes('-json') ? '{"terraform_version":"1.9.8","platform":"linux_amd64"}' : 'Terraform v1.9.8');
} else if (verb === 'workspace') {
    console.log(rest[0] === 'list' ? '* default' : `Switched to workspace "${rest.at(-1) ?? ''}".`);
} else if (verb === 'plan') {
    if (rest.some((arg) => arg === '-out' || arg.startsWith('-out=')) && out !== undefined) writeFileSync(out, 'a plan');
    const hasChanges = basename(process.cwd()) === 'network';
    console.log(hasChanges ? 'Plan: 1 to add, 0 to change, 0 to destroy.' : 'No changes. Your infrastructure matches the configuration.');
    process.exitCode = hasChanges && rest.includes('-detailed-exitcode') ? 2 : 0;
} else if (verb === 'apply') {
    console.log('Apply complete! Resources: 1 added, 0 changed, 0 destroyed.');
}
