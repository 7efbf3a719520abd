import { InstanceList } from '../../parts/instances.tsx';
import type { Repository } from '../../parts/repository.tsx';

export function InstancesTab({ repository }: { repository: Repository }) {
    return <InstanceList repository={repository} />;
}
