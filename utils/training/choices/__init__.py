"""What a run decides where no option does. One file a choice: its rule, its reason, its message.

recipes        what belongs together in a way of training; options change parts of it
start          the weights and anchors that the detector starts from
classes        which classes of a checkpoint a run keeps
kept_classes   classes of the checkpoint that the photos do not label
network        backbone, input size and epochs: the best of what the time allows
epochs         how many times a run sees each photo
expected       what accuracy to expect of these three
speed          how many photos a run sees in its minutes
neck           the feature pyramid
tile           the side of crops that large photos are cut into
aspect         how much of that square training pictures take
phases         how size and augmentation change over the run
batch_size     photos in a step, and the parts it is computed in
learning_rate  the highest rates of heads and backbone

How a run proceeds from then on, and when ``--minutes`` ends it, is in ``utils.training.schedule``.

Each ``choose_…`` returns its choice and, where there is something to say, one sentence for the log.
"""
