variable "tenant" {}
variable "stage" {}
variable "replicas" {}
