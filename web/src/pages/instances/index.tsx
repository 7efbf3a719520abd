import { InstanceList } from '../../parts/instances.tsx';
import { Page } from '../../parts/page.tsx';

export default function Instances() {
    return (
        <Page
            title="Instances"
            sub="Every component in every stack, and whether it still is what its configuration says."
        >
            <InstanceList />
        </Page>
    );
}
